using Postrider.Interop;

namespace Postrider;

/// <summary>Reads what applications send that are not (yet) on Postrider. Nothing is written in these forms.</summary>
/// <remarks>Messages of other forms pass them by. What is not mapped keeps its foreign name, so it is a dead letter that says which name is missing.</remarks>
public static class InteropExtensions
{
    /// <summary>Reads MassTransit's envelopes, <c>application/vnd.masstransit+json</c>.</summary>
    /// <param name="builder">The registration.</param>
    /// <param name="types">From MassTransit's names to ours: <c>["urn:message:Shop.Contracts:OrderPlaced"] = "orders.placed"</c>.</param>
    public static MessagingBuilder ReadMassTransit(this MessagingBuilder builder, IReadOnlyDictionary<string, string> types) =>
        builder.Add(new MassTransitDecoder(Copy(types)));

    /// <summary>Reads messages with the headers <c>NServiceBus.…</c>, with JSON in the body.</summary>
    /// <param name="builder">The registration.</param>
    /// <param name="types">From the full names of classes to ours: <c>["Shop.Contracts.OrderPlaced"] = "orders.placed"</c>.</param>
    public static MessagingBuilder ReadNServiceBus(this MessagingBuilder builder, IReadOnlyDictionary<string, string> types) =>
        builder.Add(new NServiceBusDecoder(Copy(types)));

    /// <summary>
    /// Reads the events of jetstream_bridge: JSON objects with <c>event_id</c>, <c>event_type</c> and <c>payload</c>. They carry no header that tells them,
    /// so the body of each JSON message without a type is looked into.
    /// </summary>
    /// <param name="builder">The registration.</param>
    /// <param name="types">From event types to our names, where they differ.</param>
    public static MessagingBuilder ReadJetStreamBridge(this MessagingBuilder builder, IReadOnlyDictionary<string, string>? types = null) =>
        builder.Add(new JetStreamBridgeDecoder(Copy(types)));

    /// <summary>
    /// Reads the events of pgbus: JSON objects with <c>event_id</c>, <c>payload</c> and <c>published_at</c>. They carry no header that tells them, so the body of each
    /// JSON message without a type is looked into. Their type is the routing key, where the event says it; else the queue's only consumer takes them.
    /// </summary>
    /// <param name="builder">The registration.</param>
    /// <param name="types">From routing keys to our names, where they differ.</param>
    public static MessagingBuilder ReadPgbus(this MessagingBuilder builder, IReadOnlyDictionary<string, string>? types = null) =>
        builder.Add(new PgbusDecoder(Copy(types)));

    private static MessagingBuilder Add(this MessagingBuilder builder, IEnvelopeDecoder decoder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.UseDecoder(decoder);
    }

    private static Dictionary<string, string> Copy(IReadOnlyDictionary<string, string>? types) =>
        types is null ? [] : new(types, StringComparer.Ordinal);
}
