using System.Diagnostics;
using System.Runtime;
using Postrider.Throughput.Measuring;

namespace Postrider.Throughput.Scenarios;

/// <summary>What a consumer costs that has nothing to do.</summary>
/// <remarks>
/// Without the time in which the runtime compiles in the background: it goes on for a minute, as what is called once a second has been called often
/// only then, and is several times what an idle consumer takes by itself.
/// </remarks>
internal sealed class Idle : Scenario
{
    public const string Core = "% of a core";
    public const string WorkingSet = "working set, MB";

    public Idle()
        : base("idle", "Idle with a consumer") => NeedsOwnProcess = true;

    public override async Task<Figures> RunAsync(Ring ring)
    {
        await using var bench = await ring.OpenAsync(new() { Capacity = 1000 });
        await bench.Contender.ConsumeAsync();
        await bench.PublishAsync(100, inFlight: 1);
        await bench.AllHandledAsync();
        var length = TimeSpan.FromSeconds(ring.Size.Seconds * 2);
        await Task.Delay(length / 2, TimeProvider.System); // until what work has left behind is done
        GC.Collect();
        var busy = Busy();
        var started = Stopwatch.GetTimestamp();
        await Task.Delay(length, TimeProvider.System);
        var share = (Busy() - busy) / Stopwatch.GetElapsedTime(started);
        return bench.Account(new() { [Core] = 100 * share, [WorkingSet] = Environment.WorkingSet / 1e6 });
    }

    private static TimeSpan Busy() => Environment.CpuUsage.TotalTime - JitInfo.GetCompilationTime();
}
