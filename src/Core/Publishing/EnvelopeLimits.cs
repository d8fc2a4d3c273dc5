using System.Text;
using Postrider.Core.Transport;

namespace Postrider.Core.Publishing;

/// <summary>What a message may carry, the same on every transport: checked before anything reaches a socket.</summary>
internal static class EnvelopeLimits
{
    /// <summary>Why the options of a publish, or its defaults, are refused whatever it publishes, or null.</summary>
    public static string? WhyRefused(PublishOptions wanted, MessagingOptions limits) =>
        WhyRefused("message id", wanted.MessageId, limits)
        ?? WhyRefused("correlation id", wanted.CorrelationId, limits)
        ?? WhyRefused("causation id", wanted.CausationId, limits)
        ?? WhyRefused("queue for the answer", wanted.ReplyTo, limits)
        ?? WhyRefused("key", wanted.Key, limits)
        ?? WhyRefused("subject", wanted.Subject, limits)
        ?? WhyRefused("content type", wanted.ContentType, limits)
        ?? WhyRefused("type", wanted.MessageType, limits)
        ?? WhyRefused(wanted.Headers, limits)
        ?? (wanted.Priority is < Priorities.Lowest or > Priorities.Highest ? $"The priority {wanted.Priority} is not from 0 to 9." : null)
        ?? (wanted.Delay < TimeSpan.Zero ? $"The delay {wanted.Delay} is negative." : null)
        ?? (wanted.Delay > TimeSpan.Zero && wanted.NotBefore is not null ? "It has both Delay and NotBefore." : null)
        ?? (wanted.TimeToLive <= TimeSpan.Zero ? $"The time to live {wanted.TimeToLive} is not positive." : null);

    /// <summary>Why the headers are refused, or null.</summary>
    public static string? WhyRefused(IReadOnlyDictionary<string, string>? headers, MessagingOptions limits)
    {
        if (headers is null || headers.Count == 0)
        {
            return null;
        }

        if (headers.Count > limits.MaxHeaders)
        {
            return $"It has {headers.Count} headers; the limit is {limits.MaxHeaders}.";
        }

        var total = 0;
        foreach (var (name, value) in headers)
        {
            if (WhyRefused("header name", name, limits.MaxHeaderNameBytes, out var nameBytes) is { } whyName)
            {
                return whyName;
            }

            if (name.Length == 0)
            {
                return "A header name is empty.";
            }

            if (value is null)
            {
                return $"The header '{name}' has no value.";
            }

            if (WhyRefused($"value of the header '{name}'", value, limits.MaxHeaderValueBytes, out var valueBytes) is { } whyValue)
            {
                return whyValue;
            }

            total += nameBytes + valueBytes;
        }

        return total > limits.MaxHeadersBytes ? $"Its headers have {total} bytes in all; the limit is {limits.MaxHeadersBytes}." : null;
    }

    /// <summary>Why a text that travels beside the body (an id, a key) is refused, or null.</summary>
    public static string? WhyRefused(string what, string? text, MessagingOptions limits) =>
        text is null ? null
        : text.Length == 0 ? $"The {what} is empty."
        : WhyRefused(what, text, limits.MaxHeaderValueBytes, out _);

    private static string? WhyRefused(string what, string text, int limit, out int bytes)
    {
        bytes = text.Length;
        if (text.Length <= limit && !text.AsSpan().ContainsAnyExceptInRange(' ', '~'))
        {
            // Printable ASCII is nearly everything that comes.
            return null;
        }

        for (var i = 0; i < text.Length; i++)
        {
            // CR and LF would forge headers on line-based brokers; the others forge log lines and terminals.
            if (char.IsControl(text[i]))
            {
                return $"The {Shown(what)} contains the control character U+{(int)text[i]:X4} at position {i}.";
            }

            if (char.IsSurrogate(text[i]) && !(char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1])))
            {
                return $"The {Shown(what)} contains half of a surrogate pair at position {i}.";
            }

            i += char.IsHighSurrogate(text[i]) ? 1 : 0;
        }

        bytes = Encoding.UTF8.GetByteCount(text);
        return bytes > limit ? $"The {Shown(what)} has {bytes} bytes; the limit is {limit}." : null;
    }

    private static string Shown(string what) => what.Length > 160 ? string.Concat(what.AsSpan(0, 157), "...") : what;
}
