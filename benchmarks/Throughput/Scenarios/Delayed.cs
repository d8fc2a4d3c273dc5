using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;

namespace Postrider.Throughput.Scenarios;

/// <summary>Consumes a backlog from a queue in which a million other messages wait for their time.</summary>
internal sealed class Delayed() : Scenario("delayed-1m", "Consume at 16 beside a million delayed messages")
{
    /// <summary>The others have nothing that delays for hours without making a topology of their own.</summary>
    public override bool Fits(Entry entry) => entry.Role == Role.Ours || (entry.Broker == Catalog.Pgmq && entry.Role is Role.Raw or Role.Tuned);

    public override async Task<Figures> RunAsync(Ring ring)
    {
        await using var bench = await ring.OpenAsync(new());
        if (!ring.Entry.Broker.HoldsBacklog)
        {
            await bench.Contender.ConsumeAsync();
        }

        await bench.Contender.PublishDelayedAsync(ring.Size.Large);
        var count = ring.ToConsume;
        await bench.PublishAsync(count);
        var meter = Meter.Start();
        if (ring.Entry.Broker.HoldsBacklog)
        {
            await bench.Contender.ConsumeAsync();
        }

        await bench.AllHandledAsync();
        return bench.Account(meter.Stop(count));
    }
}
