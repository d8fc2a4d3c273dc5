using Postrider.Core.Hosting;
using Postrider.Core.Requests;
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
    private readonly Requester _requester;

    public MessageBus(
        IReadOnlyList<(PublishScope Scope, PublishMiddleware Middleware)> middlewares, PublishDefaults defaults, TransportSet transports, PublishingSwitch publishing,
        Requester requester)
    {
        (_defaults, _transports, _switch, _requester) = (defaults, transports, publishing, requester);
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

    public ValueTask<TResponse> RequestAsync<TRequest, TResponse>(string queue, TRequest request, PublishOptions? options, CancellationToken cancellationToken)
        where TRequest : notnull
        where TResponse : notnull
    {
        ArgumentNullException.ThrowIfNull(queue);
        ArgumentNullException.ThrowIfNull(request);
        return RequestAsync<TResponse>(request, MessageType<TRequest>.Instance, Destination.Queue(queue), options, cancellationToken);
    }

    public ValueTask<TResponse> RequestAsync<TRequest, TResponse>(TRequest request, PublishOptions? options, CancellationToken cancellationToken)
        where TRequest : notnull
        where TResponse : notnull
    {
        ArgumentNullException.ThrowIfNull(request);
        var type = MessageType<TRequest>.Instance;
        return RequestAsync<TResponse>(request, type, Destination.Topic(options?.Topic ?? type.Name ?? options?.MessageType ?? ""), options, cancellationToken);
    }

    private ValueTask<TResponse> RequestAsync<TResponse>(
        object request, MessageType type, Destination destination, PublishOptions? options, CancellationToken cancellationToken)
        where TResponse : notnull =>
        _requester.AskAsync<TResponse>(
            PublishAsync, request, type, destination, _defaults.Complete(options, type, destination) ?? NoOptions, cancellationToken);

    private ValueTask<PublishReceipt> PublishAsync(
        object message, MessageType type, Destination destination, PublishOptions? options, CancellationToken cancellationToken) =>
        PublishAsync(new(message, type, destination, _defaults.Complete(options, type, destination) ?? NoOptions, cancellationToken));

    private ValueTask<PublishReceipt> PublishAsync(PublishContext context) =>
        _switch.Suppresses(context.MessageType, context.Destination) ? new(_transports.For(context).Publisher.Suppress(context)) : _chain(context);
}
