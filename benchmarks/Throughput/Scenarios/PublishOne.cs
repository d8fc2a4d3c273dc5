using System.Diagnostics;
using Postrider.Throughput.Measuring;

namespace Postrider.Throughput.Scenarios;

/// <summary>A publish, its confirmation, the next publish.</summary>
internal sealed class PublishOne() : Scenario("publish-1", "Publish one at a time")
{
    private const int PerSecond = 1500;

    public override async Task<Figures> RunAsync(Ring ring)
    {
        await using var bench = await ring.OpenAsync(new());
        if (!ring.Entry.Broker.HoldsBacklog)
        {
            await bench.Contender.ConsumeAsync();
        }

        var count = ring.Size.Messages(PerSecond);
        await bench.PublishAsync(Size.WarmUp(count), inFlight: 1);
        var latencies = new double[count];
        var meter = Meter.Start();
        for (var i = 0; i < count; i++)
        {
            var began = Stopwatch.GetTimestamp();
            await bench.PublishOneAsync();
            latencies[i] = Stopwatch.GetElapsedTime(began).TotalMicroseconds;
        }

        var figures = meter.Stop(count).WithLatencies(latencies);
        if (ring.Entry.Broker.HoldsBacklog)
        {
            await bench.Contender.ConsumeAsync();
        }

        await bench.AllHandledAsync();
        return bench.Account(figures);
    }
}
