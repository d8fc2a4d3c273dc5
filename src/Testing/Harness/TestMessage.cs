using Postrider.Core.Consuming;
using Postrider.Core.Publishing;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;
using Postrider.Testing.Harness;

namespace Postrider.Testing;

/// <summary>Makes what a consumer is given, for tests of a consumer by itself.</summary>
public static class TestMessage
{
    /// <summary>
    /// A context: <c>await new BillingConsumer(…).ConsumeAsync(order, TestMessage.Context(order, e => e with { Attempt = 3 }), default)</c>.
    /// </summary>
    /// <param name="message">The message.</param>
    /// <param name="change">Changes what it travels as; null: it stays as the bus would have published it to its own topic.</param>
    /// <param name="queue">The queue it came from.</param>
    /// <param name="redeliveries">Hand-outs that ended without an outcome.</param>
    /// <param name="services">The delivery's scope; null: nothing is in it.</param>
    /// <param name="cancellationToken">The context's token.</param>
    public static ConsumeContext Context<TMessage>(
        TMessage message, Func<Envelope, Envelope>? change = null, string queue = "test", int redeliveries = 0, IServiceProvider? services = null,
        CancellationToken cancellationToken = default)
        where TMessage : notnull
    {
        var place = new InFlight();
        var delivery = new TestDelivery(queue, Envelope(message, change), redeliveries);
        place.Fill(delivery);
        var context = place.Context;
        (context.Delivery, context.Envelope, context.Consumer) = (delivery, delivery.Envelope, "test");
        (context.Services, context.CancellationToken) = (services ?? NoServices.Instance, cancellationToken);
        return context;
    }

    /// <summary>The metadata and the body, in JSON, as the bus publishes the message to its own topic.</summary>
    public static Envelope Envelope<TMessage>(TMessage message, Func<Envelope, Envelope>? change = null)
        where TMessage : notnull
    {
        var envelope = Envelope(message, new([new JsonMessageSerializer()], new([])), TimeProvider.System);
        return change?.Invoke(envelope) ?? envelope;
    }

    internal static Envelope Envelope<TMessage>(TMessage message, Serializers serializers, TimeProvider time)
        where TMessage : notnull
    {
        ArgumentNullException.ThrowIfNull(message);
        var type = MessageType<TMessage>.Instance;
        var body = new System.Buffers.ArrayBufferWriter<byte>();
        var contentType = type.Write(serializers, null, body, message);
        var now = time.GetUtcNow();
        return new()
        {
            Id = MessageIds.New(now),
            Type = type.Name,
            SchemaVersion = type.Version,
            ContentType = contentType,
            Body = body.WrittenMemory,
            SentAt = now,
            Topic = type.Name,
            Source = "test",
        };
    }

    private sealed class NoServices : IServiceProvider
    {
        public static NoServices Instance { get; } = new();

        public object? GetService(Type serviceType) => null;
    }
}
