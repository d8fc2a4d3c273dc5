using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;

namespace Postrider.Throughput.Scenarios;

/// <summary>Publishes with many in flight, while nobody consumes.</summary>
internal sealed class Publish(string name, string title, int inFlight = Bench.ManyInFlight, int bodyBytes = 256) : Scenario(name, title)
{
    /// <summary>A channel that nobody reads from takes no more.</summary>
    public override bool Fits(Entry entry) => entry.Broker.HoldsBacklog;

    public override async Task<Figures> RunAsync(Ring ring)
    {
        await using var bench = await ring.OpenAsync(new() { BodyBytes = bodyBytes });
        var count = Bodies.Fewer(inFlight < 100 ? ring.ToPublish / 4 : ring.ToPublish, bodyBytes);
        await bench.PublishAsync(Size.WarmUp(count), inFlight);
        var meter = Meter.Start();
        await bench.PublishAsync(count, inFlight);
        var figures = meter.Stop(count);
        await bench.Contender.ConsumeAsync();
        await bench.AllHandledAsync();
        return bench.Account(figures);
    }
}

/// <summary>Large bodies take longer, so there are fewer of them.</summary>
internal static class Bodies
{
    public static int Fewer(int count, int bodyBytes) => Math.Max(100, count / Math.Max(1, bodyBytes / 2048));
}
