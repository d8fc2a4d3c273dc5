using System.Diagnostics;
using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;

namespace Postrider.Throughput.Scenarios;

/// <summary>Ten minutes of steady load: what a message costs, and what the process holds, in the last minute beside the second one.</summary>
internal sealed class Soak() : Scenario("soak", "Ten minutes at 1,500 messages per second: the last minute beside the second")
{
    public const string BytesRatio = "bytes, last / second";
    public const string MemoryRatio = "working set, last / second";
    public const string Handles = "handles, last − second";

    private const int Minutes = 10;
    private const int PerSecond = 1500;

    public override bool Fits(Entry entry) => entry.Role is Role.Ours or Role.Raw;

    public override async Task<Figures> RunAsync(Ring ring)
    {
        await using var bench = await ring.OpenAsync(new());
        await bench.Contender.ConsumeAsync();
        // A minute, when a measurement is two seconds.
        var count = ring.Size.Messages(PerSecond * 30);
        var minutes = new List<(double Bytes, long Memory, int Handles)>();
        while (minutes.Count < Minutes)
        {
            var meter = Meter.Start();
            await bench.PublishAtAsync(PerSecond, count);
            await bench.AllHandledAsync();
            var bytes = meter.Stop(count)[Figures.Bytes];
            GC.Collect();
            using var process = Process.GetCurrentProcess();
            minutes.Add((bytes, process.WorkingSet64, process.HandleCount));
        }

        var (second, last) = (minutes[1], minutes[^1]);
        return bench.Account(new()
        {
            [Figures.Bytes] = last.Bytes,
            [BytesRatio] = last.Bytes / second.Bytes,
            [MemoryRatio] = (double)last.Memory / second.Memory,
            [Handles] = last.Handles - second.Handles,
        });
    }
}
