using System.Collections.Immutable;
using Postrider.Core.Transport;
using Postrider.Publishing;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>One message on its way to an exchange.</summary>
/// <param name="Exchange">The exchange; empty for the default one, which leads to the queue that the key names.</param>
/// <param name="RoutingKey">The routing key.</param>
/// <param name="Envelope">The message.</param>
/// <param name="Index">The place of its result.</param>
/// <param name="Redeliveries">What was counted before, for a copy that is not to be counted.</param>
internal readonly record struct WireMessage(string Exchange, string RoutingKey, Envelope Envelope, int Index, int Redeliveries = 0) : IPublishItem
{
    /// <summary>What it gets in addition, unless it has a header of the name, or null.</summary>
    public ImmutableSortedDictionary<string, object>? Headers { get; init; }
}

/// <summary>One call of <see cref="RabbitMqPublisher.SendAsync"/> under way.</summary>
internal sealed class PublishCall : PublishCall<WireMessage>
{
    /// <summary>Hands a message to the client, unless the caller has given up. When this returns nothing of the message is read any more.</summary>
    /// <remarks>
    /// The client copies a message into its frames before it first waits, for which one writer per channel is the condition. (It may wait
    /// earlier only when the channel is about to close; then it does not read the message at all.)
    /// </remarks>
    public bool TryWrite(int index, IChannel channel, EnvelopeMapper mapper, out ValueTask written)
    {
        lock (Gate)
        {
            if (IsAbandoned)
            {
                written = default;
                return false;
            }

            Sent = index + 1;
            ref readonly var message = ref this[index];
            written = channel.BasicPublishAsync(
                message.Exchange, message.RoutingKey, mandatory: true, mapper.Write(message, message.Exchange), message.Envelope.Body, CancellationToken.None);
            return true;
        }
    }
}
