namespace Postrider.Core.InMemory;

/// <summary>The broker's clock: monotonic timestamps, so that no change of the wall clock shortens or lengthens a delay.</summary>
internal sealed class BrokerClock(TimeProvider time)
{
    /// <summary>No point in time: never reached.</summary>
    public const long Never = long.MaxValue;

    private static readonly TimeSpan LongestTimer = TimeSpan.FromDays(1);

    /// <summary>Now.</summary>
    public long Now => time.GetTimestamp();

    /// <summary>The first point in time at which the span has passed completely.</summary>
    public long After(TimeSpan span)
    {
        var timestamps = (((Int128)span.Ticks * time.TimestampFrequency) + TimeSpan.TicksPerSecond - 1) / TimeSpan.TicksPerSecond;
        return (long)Int128.Min(Now + timestamps, Never - 1);
    }

    /// <summary>How long ago a point in time was.</summary>
    public TimeSpan Since(long point) => time.GetElapsedTime(point);

    /// <summary>What a wall clock says then.</summary>
    public DateTimeOffset TimeOf(long point) => time.GetUtcNow() + time.GetElapsedTime(Now, point);

    /// <summary>A timer that is not running yet.</summary>
    public ITimer CreateTimer(TimerCallback callback, object state) =>
        time.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    /// <summary>How long a timer has to run to reach the point; at most a day, after which it is asked again.</summary>
    public TimeSpan Until(long point)
    {
        var left = time.GetElapsedTime(Now, point);
        if (left <= TimeSpan.Zero)
        {
            return TimeSpan.Zero;
        }

        if (left > LongestTimer)
        {
            return LongestTimer;
        }

        // System timers cut fractions of a millisecond off: they would go off too early and spin until the point is reached.
        return time == TimeProvider.System ? TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)) : left;
    }
}
