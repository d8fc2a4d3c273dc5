using System.Diagnostics;

namespace Postrider.Throughput.Measuring;

/// <summary>What a stretch of work cost this process: time, processor time, allocated bytes.</summary>
internal sealed class Meter
{
    private readonly long _started;
    private readonly TimeSpan _cpu;
    private readonly long _bytes;

    private Meter()
    {
        _bytes = GC.GetTotalAllocatedBytes(precise: true);
        _cpu = Environment.CpuUsage.TotalTime;
        _started = Stopwatch.GetTimestamp();
    }

    public static Meter Start() => new();

    /// <summary>Per message: the rate, microseconds of processor time, bytes.</summary>
    public Figures Stop(int messages)
    {
        var elapsed = Stopwatch.GetElapsedTime(_started);
        var cpu = Environment.CpuUsage.TotalTime - _cpu;
        var bytes = GC.GetTotalAllocatedBytes(precise: true) - _bytes;
        return new()
        {
            [Figures.Rate] = messages / elapsed.TotalSeconds,
            [Figures.Cpu] = cpu.TotalMicroseconds / messages,
            [Figures.Bytes] = (double)bytes / messages,
        };
    }
}
