using Postrider.Throughput.Measuring;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Scenarios;

/// <summary>From the publish to the handler, at a steady load that does not wait for answers.</summary>
/// <param name="name">On the command line.</param>
/// <param name="title">In the report.</param>
/// <param name="shape">What is to be done.</param>
/// <param name="perSecond">Messages per second.</param>
internal sealed class Latency(string name, string title, Shape shape, int perSecond) : Scenario(name, title)
{
    public override async Task<Figures> RunAsync(Ring ring)
    {
        await using var bench = await ring.OpenAsync(shape);
        await bench.Contender.ConsumeAsync();
        var count = ring.Size.Messages(perSecond);
        var warmUp = Size.WarmUp(count);
        await bench.PublishAtAsync(perSecond, warmUp);
        await bench.AllHandledAsync();
        var meter = Meter.Start();
        await bench.PublishAtAsync(perSecond, count);
        await bench.AllHandledAsync();
        var figures = meter.Stop(count);
        figures.Remove(Figures.Rate); // It is given.
        return bench.Account(figures.WithLatencies(bench.Ledger.Latencies(warmUp, count)));
    }
}
