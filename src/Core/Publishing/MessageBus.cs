using Postrider.Core.Hosting;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider.Core.Publishing;

/// <summary>The application's side of publishing: names the message, runs the publish chain. The chain ends in the <see cref="Publisher"/> of a transport.</summary>
internal sealed class MessageBus : IMessageBus
{
    private static readonly PublishOptions NoOptions = new();
    private readonly PublishDelegate _chain;
    private readonly PublishDefaults _defaults;
    private readonly TransportSet _transports;
    private readonly PublishingSwitch _switch;

    public MessageBus(
        IReadOnlyList<(PublishScope Scope, PublishMiddleware Middleware)> middlewares, PublishDefaults defaults, TransportSet transports, PublishingSwitch publishing)
    {
        (_defaults, _transports, _switch) = (defaults, transports, publishing);
        _chain = transports.All.Count == 1 ? transports.Default.Publisher.PublishAsync : context => transports.For(context).Publisher.PublishAsync(context);
        foreach (var (scope, middleware) in middlewares.Where(static one => !one.Scope.IsEverything).Reverse())
        {
            var (next, wrapped) = (_chain, middleware(_chain));
            _chain = context => scope.Holds(context.Type, context.Destination) ? wrapped(context) : next(context);
        }

        foreach (var (_, middleware) in middlewares.Where(static one => one.Scope.IsEverything).Reverse())
        {
            _chain = middleware(_chain);
        }
    }

    public ValueTask<PublishReceipt> PublishAsync<TMessage>(TMessage message, PublishOptions? options, CancellationToken cancellationToken)
        where TMessage : notnull
    {
        ArgumentNullException.ThrowIfNull(message);
        var type = MessageType<TMessage>.Instance;
        return PublishAsync(message, type, Destination.Topic(options?.Topic ?? type.Name ?? options?.MessageType ?? ""), options, cancellationToken);
    }

    public ValueTask<PublishReceipt> SendAsync<TMessage>(string queue, TMessage message, PublishOptions? options, CancellationToken cancellationToken)
        where TMessage : notnull
    {
        ArgumentNullException.ThrowIfNull(queue);
        ArgumentNullException.ThrowIfNull(message);
        return PublishAsync(message, MessageType<TMessage>.Instance, Destination.Queue(queue), options, cancellationToken);
    }

    private ValueTask<PublishReceipt> PublishAsync(
        object message, MessageType type, Destination destination, PublishOptions? options, CancellationToken cancellationToken)
    {
        var context = new PublishContext(message, type, destination, _defaults.Complete(options, type, destination) ?? NoOptions, cancellationToken);
        return _switch.Suppresses(context.MessageType, destination) ? new(_transports.For(context).Publisher.Suppress(context)) : _chain(context);
    }
}
