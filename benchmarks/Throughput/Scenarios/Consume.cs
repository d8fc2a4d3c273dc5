using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Scenarios;

/// <summary>Consumes a backlog. The timer starts when the first part of it has been handled.</summary>
internal sealed class Consume(string name, string title, Shape shape) : Scenario(name, title)
{
    /// <summary>For handlers that take their time: how many messages they can do at best.</summary>
    private double Limit => shape.HandlerTime == TimeSpan.Zero ? double.MaxValue : shape.Concurrency / shape.HandlerTime.TotalSeconds;

    public override bool Fits(Entry entry) => entry.Broker.HoldsBacklog && (shape.Middlewares == 0 || entry.Role == Role.Ours);

    public override async Task<Figures> RunAsync(Ring ring)
    {
        await using var bench = await ring.OpenAsync(shape);
        var count = Math.Min(Bodies.Fewer(ring.ToConsume, shape.BodyBytes), ring.Size.Messages(Limit));
        var warmUp = Size.WarmUp(count);
        await bench.PublishAsync(warmUp + count);
        await bench.Contender.ConsumeAsync();
        await bench.HandledAsync(warmUp);
        var already = bench.Ledger.Distinct;
        var meter = Meter.Start();
        await bench.AllHandledAsync();
        var figures = meter.Stop(Math.Max(1, bench.Ledger.Distinct - already));
        return bench.Account(figures);
    }
}
