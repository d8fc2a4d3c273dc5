using System.Text.Json;
using Postrider.Core.Transport;
using Postrider.Json;

namespace Postrider.Interop;

/// <summary>An envelope in the body: the message is its member <c>message</c>, its types are the URNs in <c>messageType</c>, the most derived first.</summary>
internal sealed class MassTransitDecoder(Dictionary<string, string> types) : IEnvelopeDecoder
{
    private const string ContentType = "application/vnd.masstransit+json";
    private const string Activity = "MT-Activity-Id";

    public Envelope? Decode(Envelope envelope)
    {
        if (envelope.ContentType?.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase) != true)
        {
            return null;
        }

        if (ForeignEvent.Members(envelope.Body) is not { } members)
        {
            throw new MalformedMessageException("The body is not an envelope of MassTransit: it is not a JSON object.");
        }

        if (!members.TryGetValue("message", out var message) || message.Kind != JsonTokenType.StartObject)
        {
            throw new MalformedMessageException("The body is not an envelope of MassTransit: it has no 'message'.");
        }

        var headers = Headers(envelope, members);
        return envelope with
        {
            Id = members.Text("messageId") ?? envelope.Id,
            Type = Type(members) ?? envelope.Type,
            Source = members.Text("sourceAddress") ?? envelope.Source,
            CorrelationId = members.Text("correlationId") ?? members.Text("conversationId") ?? envelope.CorrelationId,
            SentAt = members.Time("sentTime") ?? envelope.SentAt,
            ExpiresAt = members.Time("expirationTime") ?? envelope.ExpiresAt,
            TraceParent = envelope.TraceParent ?? headers.GetValueOrDefault(Activity),
            Headers = headers,
            ContentType = "application/json",
            Body = message.Value,
        };
    }

    private string? Type(Dictionary<string, Member> members)
    {
        if (!members.TryGetValue("messageType", out var urns) || urns.Kind != JsonTokenType.StartArray)
        {
            return null;
        }

        string? first = null;
        for (var reader = new Utf8JsonReader(urns.Value.Span); reader.Read();)
        {
            if (reader.TokenType == JsonTokenType.String && reader.GetString() is { } urn)
            {
                if (types.TryGetValue(urn, out var name))
                {
                    return name;
                }

                first ??= urn;
            }
        }

        return first;
    }

    private static IReadOnlyDictionary<string, string> Headers(Envelope envelope, Dictionary<string, Member> members)
    {
        var headers = new Dictionary<string, string>(StringComparer.Ordinal);
        if (members.TryGetValue("headers", out var own) && own.Kind == JsonTokenType.StartObject)
        {
            for (var each = new JsonMembers(own.Value); each.Next();)
            {
                if (each.Text() is { } text)
                {
                    headers[each.Name] = text;
                }
            }
        }

        return envelope.Headers.With(headers);
    }
}
