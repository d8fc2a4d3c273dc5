using System.Globalization;

namespace Postrider.Transports.Nats;

/// <summary>Where a message is and how often it was handed out: what the subject tells to which it is acked.</summary>
/// <param name="Stream">The stream.</param>
/// <param name="Deliveries">How often it was handed out, this time included.</param>
/// <param name="Sequence">Its place in the stream.</param>
/// <param name="StoredAt">When it was stored, on the server's clock, in nanoseconds since 1970.</param>
internal readonly record struct Position(string Stream, int Deliveries, ulong Sequence, long StoredAt)
{
    /// <summary>How many the consumer has handed out with this one.</summary>
    public ulong HandedOut { get; private init; }

    /// <summary>
    /// Reads <c>$JS.ACK.stream.consumer.deliveries.sequence.consumer sequence.time.pending</c>, or the longer form with domain and account
    /// after <c>ACK</c> and a random word at the end. The stream is given, as it is known.
    /// </summary>
    public static bool TryParse(string? subject, string stream, out Position position)
    {
        position = default;
        if (subject is null || !subject.StartsWith("$JS.ACK.", StringComparison.Ordinal))
        {
            return false;
        }

        Span<Range> words = stackalloc Range[13];
        var text = subject.AsSpan();
        var count = text.Split(words, '.');
        var first = count == 9 ? 4 : 6;
        if (count < 9 || count == 10
            || !int.TryParse(text[words[first]], NumberStyles.None, CultureInfo.InvariantCulture, out var deliveries)
            || !ulong.TryParse(text[words[first + 1]], NumberStyles.None, CultureInfo.InvariantCulture, out var sequence)
            || !ulong.TryParse(text[words[first + 2]], NumberStyles.None, CultureInfo.InvariantCulture, out var handedOut)
            || !long.TryParse(text[words[first + 3]], NumberStyles.None, CultureInfo.InvariantCulture, out var storedAt))
        {
            return false;
        }

        position = new(stream, deliveries, sequence, storedAt) { HandedOut = handedOut };
        return true;
    }
}
