using System.Globalization;
using Postrider.Core.Transport;

namespace Postrider.Interop;

/// <summary>Plain JSON with headers. Of several types, the first is the message's own, the others are what it derives from.</summary>
internal sealed class NServiceBusDecoder(Dictionary<string, string> types) : IEnvelopeDecoder
{
    private const string Prefix = "NServiceBus.";
    private const string EnclosedTypes = Prefix + "EnclosedMessageTypes";

    public Envelope? Decode(Envelope envelope)
    {
        var headers = envelope.Headers;
        if (headers.Count == 0 || !headers.TryGetValue(EnclosedTypes, out var enclosed))
        {
            return null;
        }

        var sent = Time(headers);
        return envelope with
        {
            Id = Text(headers, "MessageId") ?? envelope.Id,
            Type = Type(enclosed) ?? envelope.Type,
            Source = Text(headers, "OriginatingEndpoint") ?? envelope.Source,
            CorrelationId = Text(headers, "CorrelationId") ?? envelope.CorrelationId ?? Text(headers, "ConversationId"),
            CausationId = Text(headers, "RelatedTo") ?? envelope.CausationId,
            ReplyTo = Text(headers, "ReplyToAddress") ?? envelope.ReplyTo,
            SentAt = sent ?? envelope.SentAt,
            ExpiresAt = TimeSpan.TryParse(Text(headers, "TimeToBeReceived"), CultureInfo.InvariantCulture, out var life) && life < DateTimeOffset.MaxValue - sent
                ? sent + life
                : envelope.ExpiresAt,
            ContentType = Text(headers, "ContentType") ?? envelope.ContentType,
            Body = envelope.Body.Span.StartsWith("\uFEFF"u8) ? envelope.Body[3..] : envelope.Body,
        };
    }

    /// <summary>The names are those of assemblies: <c>Shop.OrderPlaced, Shop, Version=1.0.0.0, …</c>, with semicolons between them.</summary>
    private string? Type(string enclosed)
    {
        string? first = null;
        foreach (var range in enclosed.AsSpan().Split(';'))
        {
            var one = enclosed.AsSpan(range);
            var comma = one.IndexOf(',');
            var name = (comma < 0 ? one : one[..comma]).Trim().ToString();
            if (types.TryGetValue(name, out var ours))
            {
                return ours;
            }

            first ??= name.Length > 0 ? name : null;
        }

        return first;
    }

    private static string? Text(IReadOnlyDictionary<string, string> headers, string name) =>
        headers.TryGetValue(Prefix + name, out var value) && value.Length > 0 ? value : null;

    private static DateTimeOffset? Time(IReadOnlyDictionary<string, string> headers) =>
        DateTimeOffset.TryParseExact(
            Text(headers, "TimeSent"), "yyyy-MM-dd HH:mm:ss:ffffff 'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time
            : null;
}
