using System.Buffers.Text;
using System.Text.Json;

namespace Postrider.Transports.Nats;

/// <summary>The last message of a key: what was put, or the word that it was deleted.</summary>
/// <param name="Key">The key.</param>
/// <param name="Sequence">Its place in the stream, which is the revision.</param>
/// <param name="StoredAt">When it was stored, on the server's clock, in nanoseconds since 1970.</param>
/// <param name="IsDeleted">It says that the key has no entry.</param>
/// <param name="TimeToLive">How long it lives.</param>
/// <param name="Value">What was put.</param>
internal sealed record StoredState(string Key, ulong Sequence, long StoredAt, bool IsDeleted, TimeSpan TimeToLive, byte[] Value)
{
    /// <summary>As all clients of buckets have it: without it a message is a put.</summary>
    public const string Operation = "KV-Operation";

    /// <summary>The operation that leaves a key without an entry. Others write <c>PURGE</c> for the same.</summary>
    public const string Delete = "DEL";

    /// <summary>In microseconds. What has none lives until it is deleted.</summary>
    public const string Life = "x-postrider-time-to-live";

    /// <summary>Longer is for ever.</summary>
    public static readonly TimeSpan LongestLife = TimeSpan.FromDays(36_500);

    public static StoredState Read(string key, ulong sequence, long storedAt, ReadOnlySpan<byte> headers, byte[] value)
    {
        var (isDeleted, timeToLive) = (false, Timeout.InfiniteTimeSpan);
        while (Headers.Line(ref headers, out var line))
        {
            if (!Headers.Split(line, out var name, out var text))
            {
                continue;
            }

            if (name.SequenceEqual("KV-Operation"u8))
            {
                isDeleted = text.SequenceEqual("DEL"u8) || text.SequenceEqual("PURGE"u8);
            }
            else if (name.SequenceEqual("x-postrider-time-to-live"u8)
                && Utf8Parser.TryParse(text, out long life, out var length) && length == text.Length && life > 0 && life <= LongestLife.Ticks / 10)
            {
                timeToLive = TimeSpan.FromTicks(life * 10);
            }
        }

        return new(key, sequence, storedAt, isDeleted, timeToLive, value);
    }

    /// <param name="key">The key.</param>
    /// <param name="message">As the JetStream API gives it.</param>
    public static StoredState Read(string key, JsonElement message)
    {
        var headers = message.TryGetProperty("hdrs", out var present) ? present.GetBytesFromBase64() : [];
        var value = message.TryGetProperty("data", out var data) ? data.GetBytesFromBase64() : [];
        var storedAt = (message.GetProperty("time").GetDateTimeOffset() - DateTimeOffset.UnixEpoch).Ticks * 100;
        return Read(key, message.GetProperty("seq").GetUInt64(), storedAt, headers, value);
    }
}
