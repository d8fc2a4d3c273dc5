using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Scenarios;

/// <summary>Publishes with many in flight and consumes at the same time, until everything has been handled.</summary>
internal sealed class Both(string name, string title, Shape shape) : Scenario(name, title)
{
    /// <summary>For those brokers only that keep nothing.</summary>
    public bool OnlyInMemory { get; init; }

    public override bool Fits(Entry entry) => (!OnlyInMemory || !entry.Broker.HoldsBacklog) && (shape.Queues == 1 || entry.Role != Role.Rival);

    public override async Task<Figures> RunAsync(Ring ring)
    {
        await using var bench = await ring.OpenAsync(shape);
        await bench.Contender.ConsumeAsync();
        var count = ring.ToPublish;
        await bench.PublishAsync(Size.WarmUp(count));
        await bench.AllHandledAsync();
        var meter = Meter.Start();
        await bench.PublishAsync(count);
        await bench.AllHandledAsync();
        return bench.Account(meter.Stop(count));
    }
}
