using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Postrider.Core.Consuming;
using Postrider.Core.Hosting;
using Postrider.Core.InMemory;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider;

/// <summary>Registers consumers, middlewares and the transport. Used while services are registered; not thread-safe.</summary>
public sealed class MessagingBuilder
{
    private readonly MessagingRegistration _registration;

    internal MessagingBuilder(IServiceCollection services, MessagingRegistration registration) => (Services, _registration) = (services, registration);

    /// <summary>The services being registered.</summary>
    public IServiceCollection Services { get; }

    internal MessagingRegistration Registration => _registration;

    /// <summary>Changes the options: <c>Configure(o => o with { PublishTimeout = … })</c>.</summary>
    public MessagingBuilder Configure(Func<MessagingOptions, MessagingOptions> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        _registration.Options = change(_registration.Options);
        return this;
    }

    /// <summary>Registers a consumer class: made from dependency injection for each delivery, with a queue of its own unless the options name one.</summary>
    public MessagingBuilder AddConsumer<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(
        System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicConstructors)] TConsumer, TMessage>(
        Func<ConsumerOptions, ConsumerOptions>? configure = null)
        where TConsumer : class, IConsumer<TMessage>
        where TMessage : notnull
    {
        Services.TryAddScoped<TConsumer>();
        var name = typeof(TConsumer).Name;
        const string suffix = "Consumer";
        var queue = name.Length > suffix.Length && name.EndsWith(suffix, StringComparison.Ordinal) ? name[..^suffix.Length] : name;
        _registration.Consumers.Add(new ConsumerRegistration<TConsumer, TMessage>(name, Options(configure))
        {
            DefaultQueue = MessageType.KebabCase(queue),
        });
        return this;
    }

    /// <summary>Registers a delegate as the consumer of a message type on a queue.</summary>
    public MessagingBuilder AddConsumer<TMessage>(
        string queue, Func<TMessage, ConsumeContext, CancellationToken, ValueTask<Outcome>> consume,
        Func<ConsumerOptions, ConsumerOptions>? configure = null)
        where TMessage : notnull
    {
        ArgumentNullException.ThrowIfNull(queue);
        ArgumentNullException.ThrowIfNull(consume);
        _registration.Consumers.Add(new DelegateRegistration<TMessage>($"{queue}:{MessageType<TMessage>.Instance.Name ?? "*"}", Options(configure), consume)
        {
            DefaultQueue = queue,
        });
        return this;
    }

    /// <summary>Wraps every publish and send. The first registered is outermost.</summary>
    public MessagingBuilder UsePublish(PublishMiddleware middleware)
    {
        ArgumentNullException.ThrowIfNull(middleware);
        _registration.PublishMiddleware.Add(_ => middleware);
        return this;
    }

    /// <summary>As <see cref="UsePublish(PublishMiddleware)"/>, by a class. It becomes a singleton, unless it is registered otherwise already.</summary>
    public MessagingBuilder UsePublish<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(
        System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicConstructors)] TMiddleware>()
        where TMiddleware : class, IPublishMiddleware
    {
        Services.TryAddSingleton<TMiddleware>();
        _registration.PublishMiddleware.Add(static services =>
        {
            var middleware = services.GetRequiredService<TMiddleware>();
            return next => context => middleware.PublishAsync(context, next);
        });
        return this;
    }

    /// <summary>Wraps every consumer, outside the consumer's own middlewares. The first registered is outermost.</summary>
    public MessagingBuilder UseConsume(ConsumeMiddleware middleware)
    {
        ArgumentNullException.ThrowIfNull(middleware);
        _registration.ConsumeMiddleware.Add(middleware);
        return this;
    }

    /// <summary>As <see cref="UseConsume(ConsumeMiddleware)"/>, by a class. It is scoped, unless it is registered otherwise already.</summary>
    public MessagingBuilder UseConsume<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(
        System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicConstructors)] TMiddleware>()
        where TMiddleware : class, IConsumeMiddleware
    {
        Services.TryAddScoped<TMiddleware>();
        return UseConsume(static next => context => context.Services.GetRequiredService<TMiddleware>().ConsumeAsync(context, next));
    }

    /// <summary>Adds a reporter of exceptions; there may be several. It becomes a singleton, unless it is registered otherwise already.</summary>
    public MessagingBuilder AddExceptionReporter<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(
        System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicConstructors)] TReporter>()
        where TReporter : class, IExceptionReporter
    {
        Services.TryAddSingleton<TReporter>();
        _registration.ExceptionReporters.Add(static services => services.GetRequiredService<TReporter>());
        return this;
    }

    /// <summary>Adds a serializer. The last one added writes; received messages are read by the one of their content type.</summary>
    public MessagingBuilder UseSerializer(IMessageSerializer serializer)
    {
        ArgumentNullException.ThrowIfNull(serializer);
        _registration.Serializers.Add(serializer);
        return this;
    }

    /// <summary>
    /// Makes an older version of a message newer: a consumer of <typeparamref name="TTo"/> gets messages of the version that <typeparamref name="TFrom"/> is marked with
    /// (<see cref="MessageAttribute.Version"/>), too. Upcasters form chains. A message that says no version is one of version 1, if a chain begins there.
    /// </summary>
    /// <param name="upcast">Must be thread-safe. What it throws is a failure of the consumer.</param>
    public MessagingBuilder UseUpcaster<TFrom, TTo>(Func<TFrom, TTo> upcast)
        where TFrom : notnull
        where TTo : notnull
    {
        ArgumentNullException.ThrowIfNull(upcast);
        _registration.Upcasters.Add(new Upcaster<TFrom, TTo>(upcast));
        return this;
    }

    /// <summary>Reads messages of a foreign form. The first registered that takes a message reads it; CloudEvents in structured mode are read without registration.</summary>
    public MessagingBuilder UseDecoder(IEnvelopeDecoder decoder)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        _registration.Decoders.Add(decoder);
        return this;
    }

    /// <summary>Makes a transport available under a name, for <c>Messaging:Transport</c> in the configuration to choose.</summary>
    public MessagingBuilder AddTransport(string name, Func<IServiceProvider, ITransport> create)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(create);
        _registration.Transports[name] = create;
        return this;
    }

    /// <summary>Adds a transport and chooses it, whatever the configuration says. The host disposes of it.</summary>
    public MessagingBuilder UseTransport(string name, Func<IServiceProvider, ITransport> create)
    {
        AddTransport(name, create);
        _registration.ChosenTransport = name;
        return this;
    }

    /// <summary>Chooses the in-memory transport. Give hosts of one process the same broker to connect them.</summary>
    public MessagingBuilder UseInMemory(InMemoryBroker? broker = null) =>
        UseTransport(MessagingRegistration.InMemory, services => new InMemoryTransport(broker ?? services.GetRequiredService<InMemoryBroker>()));

    private static ConsumerOptions Options(Func<ConsumerOptions, ConsumerOptions>? configure) => configure?.Invoke(new()) ?? new();
}
