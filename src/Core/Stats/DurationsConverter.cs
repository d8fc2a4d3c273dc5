using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postrider.Core.Stats;

/// <summary>
/// Writes a histogram as base64 of numbers of 7 bits a byte, low ones first: its bits, and for each run of neighbouring buckets how many empty ones are before
/// it, how long it is, and its counts. That is about a byte for a bucket.
/// </summary>
public sealed class DurationsConverter : JsonConverter<Durations>
{
    /// <inheritdoc/>
    public override bool HandleNull => true;

    /// <inheritdoc/>
    public override Durations Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.String || !reader.TryGetBytesFromBase64(out var bytes) || Read(bytes) is not { } durations)
        {
            throw new JsonException("This is no histogram of durations.");
        }

        return durations;
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, Durations value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(value);
        writer.WriteBase64StringValue(Bytes(value));
    }

    internal static byte[] Bytes(Durations durations)
    {
        var buckets = durations.Buckets;
        var counts = durations.Counts;
        var bytes = new List<byte>(buckets.Length + 16) { (byte)durations.Bits };
        var next = 0;
        for (var i = 0; i < buckets.Length;)
        {
            var end = i + 1;
            while (end < buckets.Length && buckets[end] == buckets[end - 1] + 1)
            {
                end++;
            }

            Add(bytes, buckets[i] - next);
            Add(bytes, end - i);
            next = buckets[end - 1] + 1;
            for (; i < end; i++)
            {
                Add(bytes, counts[i]);
            }
        }

        return [.. bytes];
    }

    /// <returns>Null if they are not what was written.</returns>
    internal static Durations? Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length == 0 || bytes[0] is < DurationScale.LowestBits or > DurationScale.Bits)
        {
            return null;
        }

        int bits = bytes[0];
        bytes = bytes[1..];
        var limit = DurationScale.Index(DurationScale.Longest, bits) + 1;
        var (buckets, counts) = (new List<int>(), new List<long>());
        var next = 0L;
        while (bytes.Length > 0)
        {
            if (!TryTake(ref bytes, out var gap) || !TryTake(ref bytes, out var length) || gap > limit || length > limit || (next += gap) + length > limit)
            {
                return null;
            }

            for (; length > 0; length--)
            {
                if (!TryTake(ref bytes, out var count) || count == 0)
                {
                    return null;
                }

                buckets.Add((int)next++);
                counts.Add(count);
            }
        }

        return new(bits, [.. buckets], [.. counts]);
    }

    private static void Add(List<byte> bytes, long value)
    {
        for (; value >= 0x80; value >>= 7)
        {
            bytes.Add((byte)(value | 0x80));
        }

        bytes.Add((byte)value);
    }

    private static bool TryTake(ref ReadOnlySpan<byte> bytes, out long value)
    {
        value = 0;
        for (var i = 0; i < bytes.Length && i < 8; i++)
        {
            value |= (bytes[i] & 0x7FL) << (7 * i);
            if (bytes[i] < 0x80)
            {
                bytes = bytes[(i + 1)..];
                return true;
            }
        }

        return false;
    }
}
