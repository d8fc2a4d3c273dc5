using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postrider.Core.Stats;

/// <summary>A <see cref="StatsSnapshot"/> as JSON, without reflection. Names are in camel case, and what is 0 or null is left out.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault,
    IgnoreReadOnlyProperties = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(StatsSnapshot))]
public sealed partial class StatsJson : JsonSerializerContext;

/// <summary>A snapshot as it lies in the state store: JSON, compressed, and with coarser histograms if there would be too much of it.</summary>
internal static class StatsValue
{
    /// <summary>More than this is not read: values come from whoever can write to the store.</summary>
    private const int LargestJson = 4 * 1024 * 1024;

    /// <param name="snapshot">What to write.</param>
    /// <param name="largest">How many bytes it may have.</param>
    /// <returns>Null if even the counts alone are more.</returns>
    public static byte[]? Write(StatsSnapshot snapshot, int largest)
    {
        for (var bits = DurationScale.Bits; bits >= DurationScale.LowestBits; bits--)
        {
            var value = Compress(With(snapshot, durations => durations.Coarser(bits)));
            if (value.Length <= largest)
            {
                return value;
            }
        }

        var counts = Compress(With(snapshot, static _ => Durations.None) with { Slowest = [] });
        return counts.Length <= largest ? counts : null;
    }

    /// <returns>Null if it is not what was written.</returns>
    public static StatsSnapshot? Read(ReadOnlySpan<byte> value)
    {
        var json = new byte[Math.Min(LargestJson, (value.Length * 64) + 1024)];
        try
        {
            return BrotliDecoder.TryDecompress(value, json, out var length) ? JsonSerializer.Deserialize(json.AsSpan(0, length), StatsJson.Default.StatsSnapshot) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static StatsSnapshot With(StatsSnapshot snapshot, Func<Durations, Durations> change) => snapshot with
    {
        Handling = [.. snapshot.Handling.Select(one => one with { Handling = change(one.Handling), Waiting = change(one.Waiting) })],
    };

    private static byte[] Compress(StatsSnapshot snapshot)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(snapshot, StatsJson.Default.StatsSnapshot);
        var value = new byte[BrotliEncoder.GetMaxCompressedLength(json.Length)];
        return BrotliEncoder.TryCompress(json, value, out var length, quality: 5, window: 18) ? value[..length] : throw new InvalidOperationException("The buffer is large enough.");
    }
}
