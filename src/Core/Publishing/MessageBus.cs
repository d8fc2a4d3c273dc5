using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider.Core.Publishing;

/// <summary>The application's side of publishing: names the message, runs the publish chain. The chain ends in the <see cref="Publisher"/>.</summary>
internal sealed class MessageBus : IMessageBus
{
    private static readonly PublishOptions DefaultOptions = new();
    private readonly PublishDelegate _chain;

    public MessageBus(IReadOnlyList<PublishMiddleware> middleware, Publisher publisher)
    {
        _chain = publisher.PublishAsync;
        for (var i = middleware.Count - 1; i >= 0; i--)
        {
            _chain = middleware[i](_chain);
        }
    }

    public ValueTask<PublishReceipt> PublishAsync<TMessage>(TMessage message, PublishOptions? options, CancellationToken cancellationToken)
        where TMessage : notnull
    {
        ArgumentNullException.ThrowIfNull(message);
        var type = MessageType<TMessage>.Instance;
        return _chain(new PublishContext(message, type, Destination.Topic(options?.Topic ?? type.Name), options ?? DefaultOptions, cancellationToken));
    }

    public ValueTask<PublishReceipt> SendAsync<TMessage>(string queue, TMessage message, PublishOptions? options, CancellationToken cancellationToken)
        where TMessage : notnull
    {
        ArgumentNullException.ThrowIfNull(queue);
        ArgumentNullException.ThrowIfNull(message);
        var type = MessageType<TMessage>.Instance;
        return _chain(new PublishContext(message, type, Destination.Queue(queue), options ?? DefaultOptions, cancellationToken));
    }
}
