namespace Postrider.Core.Stats;

/// <summary>
/// What some counters were at the last ticks, five minutes back: rates are differences, so that nothing but the counters themselves is kept up for a message.
/// </summary>
/// <remarks>Not thread-safe.</remarks>
internal sealed class RollingCounts(int counters, TimeProvider time)
{
    public static readonly TimeSpan Tick = TimeSpan.FromSeconds(5);

    private static readonly int Kept = (int)(TimeSpan.FromMinutes(5) / Tick) + 1;

    private readonly long[] _counts = new long[Kept * counters];
    private readonly long[] _times = new long[Kept];
    private int _last;
    private int _ticks;

    /// <summary>A tick; the first one is the start.</summary>
    /// <param name="counts">What the counters are.</param>
    /// <param name="at">When they were so, by the timestamp's clock.</param>
    public void Add(ReadOnlySpan<long> counts, long at)
    {
        _last = _ticks == 0 ? 0 : (_last + 1) % Kept;
        _ticks = Math.Min(_ticks + 1, Kept);
        _times[_last] = at;
        counts.CopyTo(_counts.AsSpan(_last * counters, counters));
    }

    public Rates Read(int counter) => new(
        Rate(counter, TimeSpan.FromSeconds(10)), Rate(counter, TimeSpan.FromMinutes(1)), Rate(counter, TimeSpan.FromMinutes(5)));

    /// <summary>By the time that really passed: a tick may be late.</summary>
    private double Rate(int counter, TimeSpan window)
    {
        var back = Math.Min((int)(window / Tick), _ticks - 1);
        if (back <= 0)
        {
            return 0;
        }

        var first = (_last - back + Kept) % Kept;
        var passed = time.GetElapsedTime(_times[first], _times[_last]);
        return passed <= TimeSpan.Zero ? 0 : (_counts[(_last * counters) + counter] - _counts[(first * counters) + counter]) / passed.TotalSeconds;
    }
}
