using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Postrider.Core.Consuming;
using Postrider.Core.Hosting;
using Postrider.Core.InMemory;
using Postrider.Core.Publishing;
using Postrider.Core.Serialization;
using Postrider.Core.State;
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

    /// <summary>Chooses options for a purpose, unless <c>Messaging:Preset</c> does. Before consumers are added.</summary>
    /// <exception cref="MessagingConfigurationException">Consumers have been added with other defaults.</exception>
    public MessagingBuilder UsePreset(MessagingPreset preset)
    {
        _registration.Choose(new MessagingSettings(_registration.Configuration).Preset ?? preset);
        return this;
    }

    /// <summary>
    /// Changes the options: <c>Configure(o => o with { PublishTimeout = … })</c>. It gets those of the preset with what the configuration says, and has the last
    /// word.
    /// </summary>
    public MessagingBuilder Configure(Func<MessagingOptions, MessagingOptions> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        _registration.OptionsChanges.Add(change);
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
        _registration.Consumers.Add(new ConsumerRegistration<TConsumer, TMessage>(typeof(TConsumer).Name, Options(configure))
        {
            DefaultQueue = QueueOf(typeof(TConsumer).Name),
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

    /// <summary>
    /// Registers a consumer class that takes many messages at a time: made from dependency injection for each batch, with a queue of its own unless the options name
    /// one. The options begin with one batch at a time and the default <see cref="BatchOptions"/>.
    /// </summary>
    public MessagingBuilder AddBatchConsumer<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(
        System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicConstructors)] TConsumer, TMessage>(
        Func<ConsumerOptions, ConsumerOptions>? configure = null)
        where TConsumer : class, IBatchConsumer<TMessage>
        where TMessage : notnull
    {
        Services.TryAddScoped<TConsumer>();
        return AddBatchConsumer<TMessage>(
            typeof(TConsumer).Name, QueueOf(typeof(TConsumer).Name), configure,
            static (services, batch, cancellationToken) => services.GetRequiredService<TConsumer>().ConsumeAsync(batch, cancellationToken));
    }

    /// <summary>Registers a delegate that takes many messages of a queue at a time.</summary>
    public MessagingBuilder AddBatchConsumer<TMessage>(
        string queue, Func<IReadOnlyList<BatchItem<TMessage>>, CancellationToken, ValueTask<Outcome>> consume,
        Func<ConsumerOptions, ConsumerOptions>? configure = null)
        where TMessage : notnull
    {
        ArgumentNullException.ThrowIfNull(queue);
        ArgumentNullException.ThrowIfNull(consume);
        return AddBatchConsumer<TMessage>(
            $"{queue}:{MessageType<TMessage>.Instance.Name ?? "*"}", queue, configure, (_, batch, cancellationToken) => consume(batch, cancellationToken));
    }

    /// <summary>Wraps every publish and send, outside the middlewares of types and topics. The first registered is outermost.</summary>
    /// <param name="middleware">The middleware.</param>
    /// <param name="name">What a description calls it; by itself the text of the call.</param>
    public MessagingBuilder UsePublish(PublishMiddleware middleware, [CallerArgumentExpression(nameof(middleware))] string? name = null) =>
        Publishes(PublishScope.Everything, rules => rules.Use(middleware, name));

    /// <summary>As <see cref="UsePublish(PublishMiddleware, string?)"/>, by a class. It becomes a singleton, unless it is registered otherwise already.</summary>
    public MessagingBuilder UsePublish<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(
        System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicConstructors)] TMiddleware>()
        where TMiddleware : class, IPublishMiddleware =>
        Publishes(PublishScope.Everything, static rules => rules.Use<TMiddleware>());

    /// <summary>
    /// Options of every publish and send, unless a call says otherwise. They are merged property by property, and headers by name: a call counts before a type
    /// (<see cref="PublishesOf"/>), a type before a topic (<see cref="PublishesTo"/>), a topic before these, and on one level what was registered later.
    /// </summary>
    /// <exception cref="MessagingConfigurationException">They have something that belongs to one message, such as its id or its topic.</exception>
    public MessagingBuilder PublishDefaults(PublishOptions options) => Publishes(PublishScope.Everything, rules => rules.Defaults(options));

    /// <summary>Defaults and middlewares of what is published or sent as <typeparamref name="TMessage"/>, wherever it goes.</summary>
    public MessagingBuilder PublishesOf<TMessage>(Action<PublishRules> rules)
        where TMessage : notnull =>
        Publishes(new() { Type = MessageType<TMessage>.Instance }, rules);

    /// <summary>Defaults and middlewares of what is published to a topic, or to those that match a pattern. Sends have no topic.</summary>
    /// <exception cref="MessagingConfigurationException">The pattern is illegal.</exception>
    public MessagingBuilder PublishesTo(string topic, Action<PublishRules> rules)
    {
        Names.CheckPattern(topic);
        return Publishes(new() { Pattern = topic }, rules);
    }

    /// <summary>Wraps every consumer, outside the consumer's own middlewares. The first registered is outermost.</summary>
    /// <param name="middleware">The middleware.</param>
    /// <param name="name">What a description calls it; by itself the text of the call.</param>
    public MessagingBuilder UseConsume(ConsumeMiddleware middleware, [CallerArgumentExpression(nameof(middleware))] string? name = null)
    {
        ArgumentNullException.ThrowIfNull(middleware);
        _registration.ConsumeNames.Add(Short(name));
        _registration.ConsumeMiddleware.Add(middleware);
        return this;
    }

    /// <summary>As <see cref="UseConsume(ConsumeMiddleware, string?)"/>, by a class. It is scoped, unless it is registered otherwise already.</summary>
    public MessagingBuilder UseConsume<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(
        System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicConstructors)] TMiddleware>()
        where TMiddleware : class, IConsumeMiddleware
    {
        Services.TryAddScoped<TMiddleware>();
        return UseConsume(ConsumerOptions.FromScope<TMiddleware>(), typeof(TMiddleware).Name);
    }

    /// <summary>Adds a reporter of exceptions; there may be several, and one that is added twice is still one. It becomes a singleton, unless it is registered otherwise already.</summary>
    public MessagingBuilder AddExceptionReporter<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(
        System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicConstructors)] TReporter>()
        where TReporter : class, IExceptionReporter
    {
        Services.TryAddSingleton<TReporter>();
        _registration.ExceptionReporters[typeof(TReporter)] = static services => services.GetRequiredService<TReporter>();
        return this;
    }

    /// <summary>
    /// Tells a class what happens to the host (<see cref="MessagingEvent"/>): started, stopped, a queue's state, a consumer's restart, a broker away or back, a pause, another
    /// process that came or died. It becomes a singleton, unless it is registered otherwise already. Added twice, it is told once.
    /// </summary>
    public MessagingBuilder AddObserver<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(
        System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicConstructors)] TObserver>()
        where TObserver : class, IMessagingObserver
    {
        Services.TryAddSingleton<TObserver>();
        _registration.Observers[typeof(TObserver)] = static services => services.GetRequiredService<TObserver>();
        return this;
    }

    /// <summary>
    /// Calls a class as messaging starts and stops, and when a worker fails; there may be several, and one that is added twice is still one. It becomes a singleton, unless it
    /// is registered otherwise already.
    /// </summary>
    public MessagingBuilder AddLifecycleHook<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(
        System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicConstructors)] THook>()
        where THook : class, ILifecycleHook
    {
        Services.TryAddSingleton<THook>();
        _registration.Hooks[typeof(THook)] = static services => services.GetRequiredService<THook>();
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
    /// Changes the bodies of what is published, in the order of registration: compression first, then encryption. It becomes a singleton, unless it is registered
    /// otherwise already. Of two with the same content encoding the last one counts.
    /// </summary>
    public MessagingBuilder UseBodyTransform<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(
        System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicConstructors)] TTransform>()
        where TTransform : class, IBodyTransform
    {
        Services.TryAddSingleton<TTransform>();
        return UseBodyTransform(static services => services.GetRequiredService<TTransform>());
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

    /// <summary>Makes a transport available under a name, for <c>Messaging:Transport</c> in the configuration to choose. It reads no options.</summary>
    public MessagingBuilder AddTransport(string name, Func<IServiceProvider, ITransport> create)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(create);
        _registration.Types[name] = _registration.Transports[name] = new(name, name, static _ => { }, (services, _) => create(services));
        return this;
    }

    /// <summary>Makes a type of transport available, and one of that type under a name. For the <c>Add…</c> extensions of a transport's package.</summary>
    /// <param name="type">The type.</param>
    /// <param name="name">The name of the one; null: the type's own, with the options of the type's own section.</param>
    /// <param name="configure">Changes what the configuration says of that one.</param>
    public MessagingBuilder AddTransport<TOptions>(TransportType<TOptions> type, string? name = null, Func<TOptions, TOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(type);
        _registration.Types[type.Name] = Entry(type.Section, null);
        _registration.Transports[name ?? type.Name] = Entry(name is null ? type.Section : $"Transports:{name}", configure);
        return this;

        TransportEntry Entry(string section, Func<TOptions, TOptions>? change) => new(
            type.Name, section, settings => type.Read(settings),
            (services, settings) =>
            {
                var options = type.Read(settings);
                return type.Create(services, settings, change is null ? options : change(options));
            });
    }

    /// <summary>Adds a transport and chooses it, whatever the configuration says. The host disposes of it.</summary>
    public MessagingBuilder UseTransport(string name, Func<IServiceProvider, ITransport> create)
    {
        AddTransport(name, create);
        _registration.ChosenTransport = name;
        return this;
    }

    /// <summary>Adds a type of transport and chooses it, whatever the configuration says. For the <c>Use…</c> extensions of a transport's package.</summary>
    public MessagingBuilder UseTransport<TOptions>(TransportType<TOptions> type, Func<TOptions, TOptions>? configure = null)
    {
        AddTransport(type, null, configure);
        _registration.ChosenTransport = type.Name;
        return this;
    }

    /// <summary>Uses a transport beside the default one, for <see cref="PublishOptions.Transport"/>. Those that consumers, queues and topics name need no such word.</summary>
    public MessagingBuilder UseAlso(string transport)
    {
        ArgumentException.ThrowIfNullOrEmpty(transport);
        _registration.AlsoUsed.Add(transport);
        return this;
    }

    /// <summary>Chooses the in-memory transport. Give hosts of one process the same broker to connect them.</summary>
    public MessagingBuilder UseInMemory(InMemoryBroker? broker = null)
    {
        _registration.Transports[MessagingRegistration.InMemory] = broker is null
            ? TransportEntry.InMemory
            : TransportEntry.InMemory with { Create = (_, _) => new InMemoryTransport(broker) };
        _registration.ChosenTransport = MessagingRegistration.InMemory;
        return this;
    }

    /// <summary>
    /// Chooses the state store, in which the processes of the application share what is paused, who holds what and who is alive. Without it the default transport's
    /// broker keeps it, where it can (PGMQ, NATS, in memory). The host disposes of it.
    /// </summary>
    public MessagingBuilder UseStateStore(Func<IServiceProvider, IStateStore> create)
    {
        ArgumentNullException.ThrowIfNull(create);
        _registration.StateStore = new(null, static _ => { }, (services, _) => create(services));
        return this;
    }

    /// <summary>Chooses a type of state store, with the options of its section. For the <c>Use…State</c> extensions of a store's package.</summary>
    /// <param name="type">The type.</param>
    /// <param name="configure">Changes what the configuration says.</param>
    public MessagingBuilder UseStateStore<TOptions>(StateStoreType<TOptions> type, Func<TOptions, TOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(type);
        _registration.StateStore = new(type.Section, settings => type.Read(settings), (services, settings) =>
        {
            var options = type.Read(settings);
            return type.Create(services, settings, configure is null ? options : configure(options));
        });
        return this;
    }

    /// <summary>
    /// Adds a worker pool: <c>AddPool("critical", p => p with { Concurrency = 5, Queues = ["orders", "billing.*"] })</c>. <c>Messaging:Pools:critical</c> wins over
    /// it. One that is called <c>default</c> and lists no queues has all that are in no other pool. Queues in no pool know of none.
    /// </summary>
    public MessagingBuilder AddPool(string name, Func<PoolOptions, PoolOptions>? configure = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        var options = _registration.Pools.GetValueOrDefault(name, new());
        _registration.Pools[name] = configure?.Invoke(options) ?? options;
        return this;
    }

    internal MessagingBuilder UseBodyTransform(Func<IServiceProvider, IBodyTransform> create)
    {
        _registration.BodyTransforms.Add(create);
        return this;
    }

    /// <summary>One line, not too long.</summary>
    internal static string Short(string? text)
    {
        var line = string.Join(' ', (text ?? "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return line.Length > 60 ? $"{line[..57]}..." : line;
    }

    private MessagingBuilder AddBatchConsumer<TMessage>(
        string name, string queue, Func<ConsumerOptions, ConsumerOptions>? configure,
        Func<IServiceProvider, IReadOnlyList<BatchItem<TMessage>>, CancellationToken, ValueTask<Outcome>> consume)
        where TMessage : notnull
    {
        var options = Options(configure, Presets.Consumer(_registration.Preset) with { Concurrency = 1, Batch = new() });
        _registration.Consumers.Add(new BatchRegistration<TMessage>(name, options, consume) { DefaultQueue = queue });
        return this;
    }

    /// <summary>Each consumer class has a queue of its own.</summary>
    private static string QueueOf(string name)
    {
        const string suffix = "Consumer";
        return MessageType.KebabCase(name.Length > suffix.Length && name.EndsWith(suffix, StringComparison.Ordinal) ? name[..^suffix.Length] : name);
    }

    private MessagingBuilder Publishes(PublishScope scope, Action<PublishRules> rules)
    {
        ArgumentNullException.ThrowIfNull(rules);
        rules(new(Services, _registration, scope));
        return this;
    }

    private ConsumerOptions Options(Func<ConsumerOptions, ConsumerOptions>? configure, ConsumerOptions? first = null)
    {
        first ??= Presets.Consumer(_registration.Preset);
        var options = configure?.Invoke(first) ?? first;
        options.Register?.Invoke(Services);
        return options;
    }
}
