using System.Numerics;

namespace Postrider.Core.Stats;

/// <summary>
/// Counters have a copy for each processor, so that the processors do not take a cache line from each other with every message. Whoever reads adds them up.
/// </summary>
internal static class Stripes
{
    private const int Most = 16;

    public static readonly int Count = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Min(Environment.ProcessorCount, Most));

    /// <summary>That of the processor this runs on. Another thread may have it at the same time, so what is done to it is atomic.</summary>
    public static int Current => Thread.GetCurrentProcessorId() & (Count - 1);
}
