using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Scenarios;

/// <summary>Whether rates hold as a queue grows: its last part published beside its first, and one of its first parts consumed with the others behind it.</summary>
/// <param name="name">On the command line.</param>
/// <param name="title">In the report.</param>
/// <param name="share">The backlog is a million divided by this.</param>
internal sealed class Backlog(string name, string title, int share) : Scenario(name, title)
{
    public const string PublishLoss = "published at the end / at the start";
    private const int Parts = 400;

    public override bool Fits(Entry entry) => entry.Broker.HoldsBacklog && entry.Role != Role.Rival;

    public override async Task<Figures> RunAsync(Ring ring)
    {
        var all = (int)(ring.Size.Large * Math.Min(1, ring.Entry.Pace * 2) / share);
        var part = Math.Min(all / 3, ring.Size.Large / Parts);
        await using var bench = await ring.OpenAsync(new Shape { Capacity = all + part });
        await bench.PublishAsync(part); // until everything is compiled and connected
        var first = await PublishAsync(bench, part);
        await bench.PublishAsync(all - (3 * part));
        var last = await PublishAsync(bench, part);
        // After a tenth, what is measured is the work on a backlog and no longer the compiler's; a small one has no such part.
        var tenth = Math.Max(part, all / 10);
        await bench.Contender.ConsumeAsync();
        await bench.HandledAsync(tenth);
        var already = bench.Ledger.Distinct;
        var meter = Meter.Start();
        await bench.HandledAsync(Math.Min(all, already + tenth));
        var figures = meter.Stop(bench.Ledger.Distinct - already);
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
