using Postrider.Throughput.Measuring;

namespace Postrider.Throughput.Scenarios;

/// <summary>The same at 80 % of what the contender has just shown that it can do.</summary>
internal sealed class LatencyUnderLoad() : Scenario("latency-80", "Latency at 80 % of its own best rate")
{
    private const double Load = 0.8;

    public override async Task<Figures> RunAsync(Ring ring)
    {
        await using var bench = await ring.OpenAsync(new());
        await bench.Contender.ConsumeAsync();
        await bench.PublishAsync(Size.WarmUp(ring.ToPublish));
        await bench.AllHandledAsync();
        var meter = Meter.Start();
        await bench.PublishAsync(ring.ToPublish);
        await bench.AllHandledAsync();
        var rate = Load * meter.Stop(ring.ToPublish)[Figures.Rate];

        var from = bench.Ledger.Published;
        var count = ring.Size.Messages(rate);
        meter = Meter.Start();
        await bench.PublishAtAsync(rate, count);
        await bench.AllHandledAsync();
        return bench.Account(meter.Stop(count).WithLatencies(bench.Ledger.Latencies(from, count)));
    }
}
