using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Consuming;
using Postrider.Core.Diagnostics;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider.Core.Hosting;

/// <summary>The transports of a host, the default one first; most have no other. It disposes of the others, the container of the default one.</summary>
internal sealed class TransportSet : IAsyncDisposable
{
    private readonly Dictionary<string, NamedTransport> _byName;
    private readonly Dictionary<Destination, NamedTransport> _byDestination = [];
    private readonly List<(string Pattern, NamedTransport Transport)> _byPattern = [];
    private readonly List<(string Pattern, NamedTransport Transport)> _byQueuePattern = [];

    private TransportSet(IReadOnlyList<NamedTransport> all)
    {
        All = all;
        _byName = all.ToDictionary(static one => one.Name, StringComparer.OrdinalIgnoreCase);
    }

    public IReadOnlyList<NamedTransport> All { get; }

    public NamedTransport Default => All[0];

    public required PoolPlan Pools { get; init; }

    /// <exception cref="MessagingConfigurationException">The registration or the configuration is wrong.</exception>
    public static TransportSet Build(IServiceProvider services)
    {
        var registration = services.GetRequiredService<MessagingRegistration>();
        var settings = services.GetRequiredService<MessagingSettings>();
        var factory = services.GetRequiredService<TransportFactory>();
        var options = services.GetRequiredService<MessagingOptions>();
        registration.Check(options);
        foreach (var consumer in registration.Consumers)
        {
            consumer.Options = settings.Read(consumer.Queue, consumer.Options);
        }

        var pools = new PoolPlan(registration.Consumers, settings.Read(registration.Pools), options.RunPools);
        var names = NamesOf(registration, settings, factory.DefaultName);
        names.ForEach(one => factory.Find(one.Name, one.ChosenBy));
        factory.ReadAll();
        settings.Check([.. registration.Consumers.Select(static one => one.Queue)]);
        var all = new List<NamedTransport>();
        foreach (var (name, chosenBy) in names)
        {
            var transport = all.Count == 0 ? services.GetRequiredService<ITransport>()
                : registration.Substitute is { } substitute ? substitute(services, () => factory.Create(name, chosenBy))
                : factory.Create(name, chosenBy);
            all.Add(Build(services, registration, settings, pools, transport, name, names[0].Name));
        }

        var set = new TransportSet(all) { Pools = pools };
        set.Map(registration, settings);
        return set;
    }

    /// <summary>The transport of that name, or null.</summary>
    public NamedTransport? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>The transport of a queue: whoever sends to it means that one.</summary>
    public NamedTransport OfQueue(string queue) => _byDestination.GetValueOrDefault(Destination.Queue(queue))
        ?? (_byQueuePattern.Count == 0 ? null : _byQueuePattern.Find(one => QueuePattern.Matches(one.Pattern, queue)).Transport) ?? Default;

    /// <summary>Reads <c>queue</c> or <c>queue@transport</c>.</summary>
    /// <exception cref="MessagingConfigurationException">The queue's name is illegal, or that of a dead-letter queue, or the transport is not used here.</exception>
    public (string Queue, NamedTransport Named) Locate(string address)
    {
        ArgumentNullException.ThrowIfNull(address);
        var at = address.IndexOf('@', StringComparison.Ordinal);
        var queue = at < 0 ? address : address[..at];
        Names.CheckQueue(queue);
        var named = at < 0 ? OfQueue(queue) : Find(address[(at + 1)..])
            ?? throw new MessagingConfigurationException(
                $"The queue '{queue}' is looked for on a transport that this host does not use.{Nearest.Hint(address[(at + 1)..], All.Select(static one => one.Name))}");
        return (queue, named);
    }

    /// <summary>Where a message goes. A name that is not known is refused by the default one's publisher.</summary>
    public NamedTransport For(PublishContext context) =>
        context.Options.Transport is { } name ? Find(name) ?? Default
            : _byDestination.TryGetValue(context.Destination, out var found) ? found
            : context.Destination.Kind == DestinationKind.Topic ? OfTopic(context.Destination.Name)
            : OfQueue(context.Destination.Name);

    public async ValueTask DisposeAsync()
    {
        foreach (var one in All.Skip(1))
        {
            await one.Transport.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>All that are used, each once, with whoever names it first.</summary>
    private static List<(string Name, string ChosenBy)> NamesOf(MessagingRegistration registration, MessagingSettings settings, string first) =>
    [
        .. new[] { (Name: first, ChosenBy: "Messaging:Transport") }
            .Concat(registration.Consumers.Where(static one => one.Options.Transport is not null)
                .Select(static one => (one.Options.Transport!, $"The consumer '{one.Name}' of the queue '{one.Queue}'")))
            .Concat(settings.TransportOfQueue.Select(static one => (one.Value, $"Messaging:Queues:{one.Key}:Transport")))
            .Concat(settings.TransportOfTopic.Select(static one => (one.Value, $"Messaging:Topics:{one.Key}:Transport")))
            .Concat(registration.PublishDefaults.All.Where(static one => one.Transport is not null).Select(static one => (one.Transport!, "A publish's defaults")))
            .Concat(registration.AlsoUsed.Select(static one => (one, "UseAlso")))
            .Concat(settings.DrainFrom.Select(static one => (one, "Messaging:DrainFrom")))
            .DistinctBy(static one => one.Item1, StringComparer.OrdinalIgnoreCase),
    ];

    private static NamedTransport Build(
        IServiceProvider services, MessagingRegistration registration, MessagingSettings settings, PoolPlan pools, ITransport transport, string name, string defaultName)
    {
        var serializers = services.GetRequiredService<Serializers>();
        var drains = settings.DrainFrom.Contains(name, StringComparer.OrdinalIgnoreCase);
        var status = new TransportStatus(name, services.GetRequiredService<TimeProvider>(), services.GetRequiredService<Observers>()) { Drain = drains ? new(null, null, IsDrained: false) : null };
        var all = registration.BuildQueues(serializers).ToLookup(queue => name.Equals(queue.Transport ?? defaultName, StringComparison.OrdinalIgnoreCase));
        if (drains && !all[false].Any())
        {
            throw new MessagingConfigurationException(
                $"Messaging:DrainFrom names '{name}', but no queue of this host is on another transport. Set Messaging:Transport to the new one.");
        }

        var here = all[true].Concat(drains ? all[false].Select(static queue => queue with { IsDrained = true }) : []).ToLookup(static queue => QueuePattern.Is(queue.Name));
        ConsumerQueue[] queues = [.. here[false]];
        foreach (var consumer in registration.Consumers.Where(consumer => here[consumer.IsPattern].Any(queue => queue.Name == consumer.Queue)))
        {
            Check(consumer, transport, name);
        }

        return new()
        {
            Transport = transport,
            Status = status,
            Queues = queues,
            Templates = [.. here[true].Select(pattern => TemplateOf(pattern, registration, pools, serializers)).OfType<QueueTemplate>()],
            Topology = registration.BuildTopology(queues),
            Replies = new(
                transport, status, services.GetRequiredService<Telemetry>(), services.GetRequiredService<TimeProvider>(),
                new SafeLogger(services.GetRequiredService<ILoggerFactory>().CreateLogger("Postrider"))),
            Publisher = new(
                transport, serializers, services.GetRequiredService<BodyTransforms>(), services.GetRequiredService<MessagingOptions>(), status,
                services.GetRequiredService<Telemetry>(), services.GetRequiredService<TimeProvider>()),
        };
    }

    /// <summary>Null if no pool that this process runs may have such a queue.</summary>
    private static QueueTemplate? TemplateOf(ConsumerQueue pattern, MessagingRegistration registration, PoolPlan pools, Serializers serializers)
    {
        ConsumerRegistration[] consumers = [.. registration.Consumers.Where(one => one.Queue == pattern.Name)];
        return !pools.MayRun(consumers[0]) ? null : new(pattern, queue =>
        {
            var place = pools.Place(queue, consumers[0].Options.Pool);
            return pools.IsRun(place) ? registration.BuildQueue(queue, consumers, place, serializers) with { IsDrained = pattern.IsDrained } : null;
        });
    }

    private static void Check(ConsumerRegistration consumer, ITransport transport, string name)
    {
        if (consumer.IsPattern && transport is not IQueueList)
        {
            throw new MessagingConfigurationException(
                $"The consumer '{consumer.Name}' takes all queues of '{consumer.Queue}', and the transport '{name}' cannot tell which there are. Name its queue.");
        }

        if (consumer.Options.Transactional && !(transport.Capabilities.Transactions.IsSupported && transport is ITransactionalPublishing))
        {
            throw new MessagingConfigurationException(
                $"The consumer '{consumer.Name}' of the queue '{consumer.Queue}' is Transactional, and the transport '{name}' cannot handle in a transaction. "
                + "Use PGMQ on the database that the consumer writes to, or make the consumer idempotent and not Transactional.");
        }

        if (consumer.Options.Priority is not null && !transport.Capabilities.Priorities.IsSupported)
        {
            throw new MessagingConfigurationException(
                $"The consumer '{consumer.Name}' gives the queue '{consumer.Queue}' priorities, which the transport '{name}' does not have: "
                + $"{transport.Capabilities.Priorities.How}");
        }

        if (consumer.Options is { Order: MessageOrder.ByKeyWithRetries } options && !transport.Capabilities.LeaseRenewal.IsSupported
            && options.Retry.All().Any(policy => policy.TakesLongerThan(options.Lease)))
        {
            throw new MessagingConfigurationException(
                $"The consumer '{consumer.Name}' of the queue '{consumer.Queue}' holds messages for all its retries, which take longer than its Lease of {options.Lease}, and the "
                + $"transport '{name}' cannot renew one. Make the retries shorter or fewer, or the Lease longer.");
        }

        foreach (var required in consumer.Options.Requires.IsDefault ? [] : consumer.Options.Requires)
        {
            if (transport.Capabilities[required] is { IsSupported: false } lacking)
            {
                throw new MessagingConfigurationException(
                    $"The consumer '{consumer.Name}' of the queue '{consumer.Queue}' requires {required}, which the transport '{name}' does not have: {lacking.How} "
                    + "Choose another transport for it, or take it out of ConsumerOptions.Requires.");
            }
        }
    }

    /// <summary>The configuration wins over the code.</summary>
    private void Map(MessagingRegistration registration, MessagingSettings settings)
    {
        foreach (var consumer in registration.Consumers.Where(static one => one.Options.Transport is not null))
        {
            _byDestination[Destination.Queue(consumer.Queue)] = _byName[consumer.Options.Transport!];
        }

        foreach (var (queue, transport) in settings.TransportOfQueue)
        {
            _byDestination[Destination.Queue(queue)] = _byName[transport];
        }

        _byQueuePattern.AddRange(_byDestination.Where(static one => QueuePattern.Is(one.Key.Name)).Select(static one => (one.Key.Name, one.Value))
            .OrderByDescending(static one => one.Name.Length));
        foreach (var (topic, transport) in settings.TransportOfTopic)
        {
            Names.CheckPattern(topic);
            if (TopicPattern.HasWildcard(topic))
            {
                _byPattern.Add((topic, _byName[transport]));
            }
            else
            {
                _byDestination[Destination.Topic(topic)] = _byName[transport];
            }
        }
    }

    /// <summary>A topic that is not named itself; the first pattern counts.</summary>
    private NamedTransport OfTopic(string topic)
    {
        foreach (var (pattern, transport) in _byPattern)
        {
            if (TopicPattern.Matches(pattern, topic))
            {
                return transport;
            }
        }

        return Default;
    }
}
