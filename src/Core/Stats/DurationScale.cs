using System.Numerics;

namespace Postrider.Core.Stats;

/// <summary>
/// Log-linear buckets of nanoseconds: small numbers have one each, and each doubling from there on has the same number of equal ones. So the middle of a
/// bucket is off by at most 2^-(bits+1) of any number in it: 0.8 % with the 6 bits of what is recorded.
/// </summary>
internal static class DurationScale
{
    /// <summary>2^bits buckets for each doubling.</summary>
    public const int Bits = 6;

    public const int LowestBits = 2;

    /// <summary>What is longer, more than half a year, counts as this.</summary>
    public const long Longest = (1L << 54) - 1;

    /// <summary>One more than the last bucket of <see cref="Longest"/>.</summary>
    public static readonly int Buckets = Index(Longest, Bits) + 1;

    public static int Index(long nanoseconds, int bits)
    {
        var value = (ulong)Math.Clamp(nanoseconds, 0, Longest);
        var shift = Math.Max(0, BitOperations.Log2(value | 1) - bits);
        return (shift << bits) + (int)(value >> shift);
    }

    /// <summary>The middle of a bucket.</summary>
    public static double Middle(int index, int bits) => Lowest(index, bits, out var shift) + (((1L << shift) - 1) / 2d);

    /// <summary>The bucket of a scale with fewer bits that has all numbers of this one.</summary>
    public static int Coarser(int index, int bits, int fewer) => Index(Lowest(index, bits, out _), fewer);

    private static long Lowest(int index, int bits, out int shift)
    {
        shift = Math.Max(0, (index >> bits) - 1);
        return (index - ((long)shift << bits)) << shift;
    }
}
