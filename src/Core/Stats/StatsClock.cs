namespace Postrider.Core.Stats;

/// <summary>
/// Reads the clock once at each end of a handler's run: the time of day comes from the timestamp and a pair of both that is at most a second old.
/// </summary>
internal sealed class StatsClock(TimeProvider time)
{
    private readonly double _nanoseconds = 1e9 / time.TimestampFrequency;
    private volatile Anchor _anchor = new(time.GetTimestamp(), time.GetUtcNow().UtcTicks);

    public long Now() => time.GetTimestamp();

    public long Nanoseconds(long timestamps) => (long)(timestamps * _nanoseconds);

    /// <summary>How long before a timestamp a time of day was; negative if that clock is ahead of ours.</summary>
    public long NanosecondsSince(DateTimeOffset earlier, long timestamp)
    {
        var anchor = _anchor;
        var since = Nanoseconds(timestamp - anchor.Timestamp);
        if (since is < 0 or > 1_000_000_000)
        {
            anchor = _anchor = new(time.GetTimestamp(), time.GetUtcNow().UtcTicks);
            since = Nanoseconds(timestamp - anchor.Timestamp);
        }

        // Half a year is the longest that is told; years would not fit into nanoseconds.
        var ticks = Math.Clamp(anchor.UtcTicks - earlier.UtcTicks, -TimeSpan.TicksPerDay * 365, TimeSpan.TicksPerDay * 365);
        return (ticks * TimeSpan.NanosecondsPerTick) + since;
    }

    public DateTimeOffset TimeOf(long timestamp) => time.GetUtcNow() - time.GetElapsedTime(timestamp);

    private sealed record Anchor(long Timestamp, long UtcTicks);
}
