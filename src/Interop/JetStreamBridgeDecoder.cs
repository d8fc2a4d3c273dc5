using Postrider.Core.Transport;

namespace Postrider.Interop;

/// <summary>An event in the body. Its <c>schema_version</c> is that of the envelope, which has always been 1, and not the payload's.</summary>
internal sealed class JetStreamBridgeDecoder(Dictionary<string, string> types) : IEnvelopeDecoder
{
    public Envelope? Decode(Envelope envelope)
    {
        if (!ForeignEvent.MayBe(envelope) || ForeignEvent.Members(envelope.Body) is not { } members
            || members.Text("event_id") is not { } id || members.Text("event_type") is not { } type || !members.TryGetValue("payload", out var payload))
        {
            return null;
        }

        var (resource, resourceId) = (members.Text("resource_type"), members.Text("resource_id"));
        return envelope with
        {
            Id = id,
            Type = types.Mapped(type),
            Source = members.Text("producer") ?? envelope.Source,
            OccurredAt = members.Time("occurred_at") ?? envelope.OccurredAt,
            Key = resourceId ?? envelope.Key,
            Subject = resource is not null && resourceId is not null ? $"{resource}/{resourceId}" : envelope.Subject,
            Headers = members.Text("trace_id") is { } trace ? envelope.Headers.With(new() { ["trace-id"] = trace }) : envelope.Headers,
            ContentType = "application/json",
            Body = payload.Value,
        };
    }
}
