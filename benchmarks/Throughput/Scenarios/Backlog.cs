using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Scenarios;

/// <summary>Whether rates hold as a queue grows: the last part of a million published, the first part consumed with the others behind it.</summary>
internal sealed class Backlog() : Scenario("backlog-1m", "Backlog of a million: consuming its first part")
{
    public const string PublishLoss = "publish at the end / at the start";

    public override bool Fits(Entry entry) => entry.Broker.HoldsBacklog && entry.Role != Role.Rival && entry.Pace >= 0.5;

    public override async Task<Figures> RunAsync(Ring ring)
    {
        await using var bench = await ring.OpenAsync(new Shape { Capacity = ring.Size.Large + 1 });
        var part = ring.Size.Large / 20;
        var first = await PublishAsync(bench, part);
        await bench.PublishAsync(ring.Size.Large - (2 * part));
        var last = await PublishAsync(bench, part);
        await bench.Contender.ConsumeAsync();
        await bench.HandledAsync(Size.WarmUp(part));
        var already = bench.Ledger.Distinct;
        var meter = Meter.Start();
        await bench.HandledAsync(already + part);
        var figures = meter.Stop(part);
        await bench.AllHandledAsync();
        figures[PublishLoss] = last / first;
        return bench.Account(figures);
    }

    private static async Task<double> PublishAsync(Bench bench, int count)
    {
        var meter = Meter.Start();
        await bench.PublishAsync(count);
        return meter.Stop(count)[Figures.Rate];
    }
}
