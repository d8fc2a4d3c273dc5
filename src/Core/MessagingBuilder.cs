using System.Runtime.CompilerServices;
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
    /// <param name="middleware">The middleware.</param>
    /// <param name="name">What a description calls it; by itself the text of the call.</param>
    public MessagingBuilder UsePublish(PublishMiddleware middleware, [CallerArgumentExpression(nameof(middleware))] string? name = null)
    {
        ArgumentNullException.ThrowIfNull(middleware);
        _registration.PublishNames.Add(Short(name));
        _registration.PublishMiddleware.Add(_ => middleware);
        return this;
    }

    /// <summary>As <see cref="UsePublish(PublishMiddleware, string?)"/>, by a class. It becomes a singleton, unless it is registered otherwise already.</summary>
    public MessagingBuilder UsePublish<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(
        System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicConstructors)] TMiddleware>()
        where TMiddleware : class, IPublishMiddleware
    {
        Services.TryAddSingleton<TMiddleware>();
        _registration.PublishNames.Add(typeof(TMiddleware).Name);
        _registration.PublishMiddleware.Add(static services =>
        {
            var middleware = services.GetRequiredService<TMiddleware>();
            return next => context => middleware.PublishAsync(context, next);
        });
        return this;
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
        return UseConsume(static next => context => context.Services.GetRequiredService<TMiddleware>().ConsumeAsync(context, next), typeof(TMiddleware).Name);
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

    /// <summary>One line, not too long.</summary>
    private static string Short(string? text)
    {
        var line = string.Join(' ', (text ?? "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return line.Length > 60 ? $"{line[..57]}..." : line;
    }

    private ConsumerOptions Options(Func<ConsumerOptions, ConsumerOptions>? configure)
    {
        var defaults = Presets.Consumer(_registration.Preset);
        return configure?.Invoke(defaults) ?? defaults;
    }
}
