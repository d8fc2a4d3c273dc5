using System.Diagnostics;

namespace Postrider.Transports.Nats;

/// <summary>The server's time as of a moment here, and never later than it really was. Immutable, so that nobody reads the one with the moment of the other.</summary>
/// <param name="Nanoseconds">Since the Unix epoch.</param>
/// <param name="Moment">By this process's <see cref="Stopwatch"/>.</param>
/// <param name="Lag">By how much it may be behind.</param>
internal sealed record ServerTime(long Nanoseconds, long Moment, TimeSpan Lag)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(10);

    /// <summary>What an answer that took its time is good for: everything by it is late by that.</summary>
    private static readonly TimeSpan FreshIfLate = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Quick = TimeSpan.FromMilliseconds(100);

    /// <summary>Clocks may differ in speed by so much at most, one part in.</summary>
    private const long Drift = 1000;

    /// <summary>The time that the server had when it stored a message, which was sent and of which the answer is here.</summary>
    /// <remarks>
    /// The later of what was told and of what was known before, as both are not later than it really is; but what was known is wrong if the server cannot have
    /// got so far since the question was sent, as when its clock was set back.
    /// </remarks>
    public static ServerTime Told(long nanoseconds, long sent, long now, ServerTime? before)
    {
        var took = Stopwatch.GetElapsedTime(sent, now);
        if (before is not null)
        {
            var known = before.At(now) - (Stopwatch.GetElapsedTime(before.Moment, now).Ticks * 100 / Drift);
            if (known > nanoseconds && known <= nanoseconds + (took.Ticks * 100))
            {
                return new(known, now, took - TimeSpan.FromTicks((known - nanoseconds) / 100));
            }
        }

        return new(nanoseconds, now, took);
    }

    public long At(long moment) => Nanoseconds + (Stopwatch.GetElapsedTime(Moment, moment).Ticks * 100);

    public bool IsFresh(long moment) => Stopwatch.GetElapsedTime(Moment, moment) < (Lag <= Quick ? Fresh : FreshIfLate);
}
