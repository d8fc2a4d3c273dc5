using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <summary>A hand-out: the message's place in the broker, and the fencing token that says whether it is still the current one.</summary>
internal sealed class InMemoryDelivery(InMemoryQueue queue, StoredMessage message, QueueReader reader)
    : Delivery(queue.Name, message.Envelope!, message.Redeliveries)
{
    /// <summary>Where the message is, if <see cref="Token"/> is still its token; otherwise another message may be there.</summary>
    public StoredMessage Message { get; } = message;

    /// <summary>The message's token when it was handed out.</summary>
    public long Token { get; } = message.Token;

    /// <summary>Who took it.</summary>
    public QueueReader Reader { get; } = reader;
}
