using System.Text.Json.Serialization;

namespace Postrider.Core.Stats;

/// <summary>How long many things took: a histogram with a relative error of at most 1 %. Immutable.</summary>
/// <remarks>As JSON it is a short text. Values from another process that was short of room may be coarser (see <see cref="Error"/>).</remarks>
[JsonConverter(typeof(DurationsConverter))]
public sealed class Durations
{
    /// <summary>Nothing.</summary>
    public static readonly Durations None = new(DurationScale.Bits, [], []);

    private readonly int[] _buckets;
    private readonly long[] _counts;

    internal Durations(int bits, int[] buckets, long[] counts)
    {
        (Bits, _buckets, _counts) = (bits, buckets, counts);
        foreach (var count in counts)
        {
            Count += count;
        }
    }

    /// <summary>How many.</summary>
    public long Count { get; }

    /// <summary>The largest relative error of the times that are told here, 0.01 for 1 %, beside the rounding to whole 100 ns.</summary>
    public double Error => 1d / (2 << Bits);

    /// <summary>The average; zero if there is none.</summary>
    public TimeSpan Mean
    {
        get
        {
            var sum = 0d;
            for (var i = 0; i < _counts.Length; i++)
            {
                sum += _counts[i] * DurationScale.Middle(_buckets[i], Bits);
            }

            return Count == 0 ? TimeSpan.Zero : Time(sum / Count);
        }
    }

    /// <summary>The longest; zero if there is none.</summary>
    public TimeSpan Max => Percentile(100);

    internal int Bits { get; }

    internal ReadOnlySpan<int> Buckets => _buckets;

    internal ReadOnlySpan<long> Counts => _counts;

    /// <summary>A time that this share of all did not take longer than; zero if there is none.</summary>
    /// <param name="percent">From 0, the shortest, to 100, the longest.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is no percentage.</exception>
    public TimeSpan Percentile(double percent)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(percent);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(percent, 100);
        var left = Math.Max(1, (long)Math.Ceiling(Count * (percent / 100)));
        for (var i = 0; i < _counts.Length; i++)
        {
            left -= _counts[i];
            if (left <= 0)
            {
                return Time(DurationScale.Middle(_buckets[i], Bits));
            }
        }

        return TimeSpan.Zero;
    }

    /// <summary>Both together, as if they had been recorded in one; as coarse as the coarser one.</summary>
    public Durations Merge(Durations other)
    {
        ArgumentNullException.ThrowIfNull(other);
        var bits = Math.Min(Bits, other.Bits);
        return Combine(Coarser(bits), other.Coarser(bits), 1);
    }

    /// <summary>For people.</summary>
    public override string ToString() => $"{Count}, median {Percentile(50)}, 95 % {Percentile(95)}, 99 % {Percentile(99)}, longest {Max}";

    /// <summary>What came after an earlier state of the same histogram.</summary>
    internal Durations Since(Durations earlier) => Combine(this, earlier, -1);

    /// <summary>With fewer buckets.</summary>
    internal Durations Coarser(int bits)
    {
        if (bits >= Bits)
        {
            return this;
        }

        var (buckets, counts) = (new List<int>(_buckets.Length), new List<long>(_buckets.Length));
        for (var i = 0; i < _buckets.Length; i++)
        {
            var bucket = DurationScale.Coarser(_buckets[i], Bits, bits);
            if (buckets.Count > 0 && buckets[^1] == bucket)
            {
                counts[^1] += _counts[i];
                continue;
            }

            buckets.Add(bucket);
            counts.Add(_counts[i]);
        }

        return new(bits, [.. buckets], [.. counts]);
    }

    /// <param name="counts">By bucket.</param>
    internal static Durations Of(ReadOnlySpan<long> counts)
    {
        var buckets = new List<int>();
        for (var i = 0; i < counts.Length; i++)
        {
            if (counts[i] != 0)
            {
                buckets.Add(i);
            }
        }

        var kept = new long[buckets.Count];
        for (var i = 0; i < kept.Length; i++)
        {
            kept[i] = counts[buckets[i]];
        }

        return buckets.Count == 0 ? None : new(DurationScale.Bits, [.. buckets], kept);
    }

    private static Durations Combine(Durations one, Durations other, int sign)
    {
        if (other.Count == 0)
        {
            return one;
        }

        var (buckets, counts) = (new List<int>(one._buckets.Length + other._buckets.Length), new List<long>(one._buckets.Length + other._buckets.Length));
        var (i, j) = (0, 0);
        while (i < one._buckets.Length || j < other._buckets.Length)
        {
            var left = i < one._buckets.Length ? one._buckets[i] : int.MaxValue;
            var right = j < other._buckets.Length ? other._buckets[j] : int.MaxValue;
            var bucket = Math.Min(left, right);
            var count = (left == bucket ? one._counts[i++] : 0) + (right == bucket ? sign * other._counts[j++] : 0);
            if (count != 0)
            {
                buckets.Add(bucket);
                counts.Add(count);
            }
        }

        return new(one.Bits, [.. buckets], [.. counts]);
    }

    private static TimeSpan Time(double nanoseconds) => TimeSpan.FromTicks((long)Math.Round(nanoseconds / TimeSpan.NanosecondsPerTick));
}
