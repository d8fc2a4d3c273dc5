using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Scenarios;

/// <summary>Consumes a backlog. The timer starts when the first part of it has been handled.</summary>
internal class Consume(string name, string title, Shape shape) : Scenario(name, title)
{
    /// <summary>For handlers that take their time: how many messages they can do at best.</summary>
    private double Limit => shape.HandlerTime == TimeSpan.Zero ? double.MaxValue : shape.Concurrency / shape.HandlerTime.TotalSeconds;

    public override bool Fits(Entry entry) => entry.Broker.HoldsBacklog && (shape.Middlewares == 0 || entry.Role == Role.Ours);

    public sealed override async Task<Figures> RunAsync(Ring ring)
    {
        await using var bench = await ring.OpenAsync(shape);
        await FillAsync(bench, ring);
        var count = Math.Min(Bodies.Fewer(ring.ToConsume, shape.BodyBytes), ring.Size.Messages(Limit));
        var warmUp = Size.WarmUp(count);
        await bench.PublishAsync(warmUp + count);
        await bench.Contender.ConsumeAsync();
        await bench.HandledAsync(warmUp);
        var already = bench.Ledger.Distinct;
        var meter = Meter.Start();
        await bench.AllHandledAsync();
        return bench.Account(meter.Stop(Math.Max(1, bench.Ledger.Distinct - already)));
    }

    /// <summary>Puts something into the queue that is not to be consumed.</summary>
    protected virtual Task FillAsync(Bench bench, Ring ring) => Task.CompletedTask;
}

/// <summary>From a queue in which a million other messages wait for their time.</summary>
internal sealed class ConsumeBesideDelayed() : Consume("delayed-1m", "Consume a backlog beside a million delayed messages, 16 handlers", new())
{
    /// <summary>The others have nothing that delays for hours without making a topology of their own.</summary>
    public override bool Fits(Entry entry) =>
        base.Fits(entry) && (entry.Role == Role.Ours || (entry.Broker == Catalog.Pgmq && entry.Role is Role.Raw or Role.Tuned));

    protected override Task FillAsync(Bench bench, Ring ring) => bench.Contender.PublishDelayedAsync(ring.Size.Large);
}
