using Postrider.Core.Transport;

namespace Postrider.Interop;

/// <summary>An event in the body. What is no object in Ruby is <c>{"value": …}</c>, which is left as it is.</summary>
internal sealed class PgbusDecoder(Dictionary<string, string> types) : IEnvelopeDecoder
{
    public Envelope? Decode(Envelope envelope)
    {
        if (!ForeignEvent.MayBe(envelope) || ForeignEvent.Members(envelope.Body) is not { } members
            || members.Text("event_id") is not { } id || members.Text("published_at") is null || !members.TryGetValue("payload", out var payload))
        {
            return null;
        }

        var routingKey = members.Text("routing_key");
        return envelope with
        {
            Id = id,
            Type = types.Mapped(routingKey ?? envelope.Topic),
            Topic = envelope.Topic ?? routingKey,
            SentAt = members.Time("published_at"),
            ContentType = "application/json",
            Body = payload.Value,
        };
    }
}
