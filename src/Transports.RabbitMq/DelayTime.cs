using System.Numerics;

namespace Postrider.Transports.RabbitMq;

/// <summary>
/// A delay as a set of rungs of the ladder (<see cref="DelayLadder"/>): rung k waits 125 ms · 2ᵏ up to k = 24, and each of the eight rungs above
/// that waits as long as the broker's longest time to live allows.
/// </summary>
internal static class DelayTime
{
    /// <summary>Rungs with doubling waits.</summary>
    public const int Binary = 25;

    /// <summary>All rungs. The bit of a rung is its number.</summary>
    public const int Levels = Binary + 8;

    private const long UnitTicks = 125 * TimeSpan.TicksPerMillisecond;

    /// <summary>Significant bits that are kept: a message passes at most so many rungs, and is at most a 64th of its delay late for it.</summary>
    private const int Significant = 7;

    /// <summary>The longest delay, about 388 days.</summary>
    public static TimeSpan Longest => TimeSpan.FromTicks((8L << Binary) * UnitTicks);

    /// <summary>The rungs to pass, rounded up: never early.</summary>
    /// <param name="delay">More than zero and at most <see cref="Longest"/>.</param>
    public static ulong Rungs(TimeSpan delay)
    {
        var units = (ulong)((delay.Ticks + UnitTicks - 1) / UnitTicks);
        var length = 64 - BitOperations.LeadingZeroCount(units);
        if (length > Significant)
        {
            var unit = 1UL << (length - Significant);
            units = (units + unit - 1) & ~(unit - 1);
        }

        var longest = (int)(units >> Binary);
        return (units & ((1UL << Binary) - 1)) | (((1UL << longest) - 1) << Binary);
    }

    /// <summary>How long a message stays on a rung.</summary>
    public static long Milliseconds(int rung) => 125L << Math.Min(rung, Binary);

    /// <summary>
    /// The routing key of a delayed message: its queue as one word, then a word for each level from the lowest up to its highest rung, 1 if
    /// it waits there. At most 114 characters.
    /// </summary>
    public static string RoutingKey(string queue, ulong rungs)
    {
        var levels = Top(rungs) + 1;
        return string.Create(queue.Length + (2 * levels), (queue, rungs), static (key, of) =>
        {
            of.queue.AsSpan().Replace(key, '.', '/');
            for (int at = of.queue.Length, level = 0; at < key.Length; at += 2, level++)
            {
                key[at] = '.';
                key[at + 1] = (of.rungs >> level & 1) == 0 ? '0' : '1';
            }
        });
    }

    /// <summary>The highest rung.</summary>
    public static int Top(ulong rungs) => 63 - BitOperations.LeadingZeroCount(rungs);

    /// <summary>What matches the keys of a queue, or of all, with this digit at a level.</summary>
    public static string Pattern(string? queue, int level, char digit) =>
        (queue?.Replace('.', '/') ?? "*") + "." + string.Concat(Enumerable.Repeat("*.", level)) + digit + ".#";
}
