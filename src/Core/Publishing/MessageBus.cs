using Postrider.Core.Hosting;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider.Core.Publishing;

/// <summary>The application's side of publishing: names the message, runs the publish chain. The chain ends in the <see cref="Publisher"/> of a transport.</summary>
internal sealed class MessageBus : IMessageBus
{
    private static readonly PublishOptions DefaultOptions = new();
    private readonly PublishDelegate _chain;
    private readonly TransportSet _transports;
    private readonly PublishingSwitch _switch;

    public MessageBus(IReadOnlyList<PublishMiddleware> middleware, TransportSet transports, PublishingSwitch publishing)
    {
        (_transports, _switch) = (transports, publishing);
        _chain = transports.All.Count == 1 ? transports.Default.Publisher.PublishAsync : context => transports.For(context).Publisher.PublishAsync(context);
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
        var topic = Destination.Topic(options?.Topic ?? type.Name ?? options?.MessageType ?? "");
        return PublishAsync(new(message, type, topic, options ?? DefaultOptions, cancellationToken));
    }

    public ValueTask<PublishReceipt> SendAsync<TMessage>(string queue, TMessage message, PublishOptions? options, CancellationToken cancellationToken)
        where TMessage : notnull
    {
        ArgumentNullException.ThrowIfNull(queue);
        ArgumentNullException.ThrowIfNull(message);
        var type = MessageType<TMessage>.Instance;
        return PublishAsync(new(message, type, Destination.Queue(queue), options ?? DefaultOptions, cancellationToken));
    }

    private ValueTask<PublishReceipt> PublishAsync(PublishContext context) =>
        _switch.Suppresses(context.MessageType, context.Destination) ? new(_transports.For(context).Publisher.Suppress(context)) : _chain(context);
}
