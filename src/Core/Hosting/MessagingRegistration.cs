using System.Collections.Frozen;
using System.Data;
using Microsoft.Extensions.Configuration;
using Postrider.Core.Consuming;
using Postrider.Core.Entities;
using Postrider.Core.Publishing;
using Postrider.Core.Requests;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider.Core.Hosting;

/// <summary>What was registered, and the plan made of it at start. Everything that can be wrong in a registration is found here.</summary>
internal sealed class MessagingRegistration
{
    public const string InMemory = "inmemory";

    /// <summary>Not a legal name of a type.</summary>
    private const string AnyType = "";

    /// <summary>The one that was given; without one, nothing but the options of transports that the code chooses is read from the host's.</summary>
    public IConfiguration? Configuration { get; set; }

    public MessagingPreset Preset { get; private set; }

    /// <summary>What the code changes of the host's options, after preset and configuration.</summary>
    public List<Func<MessagingOptions, MessagingOptions>> OptionsChanges { get; } = [];

    public List<ConsumerRegistration> Consumers { get; } = [];

    /// <summary>The name is for people.</summary>
    public List<(PublishScope Scope, string Name, Func<IServiceProvider, PublishMiddleware> Create)> PublishMiddleware { get; } = [];

    public PublishDefaults PublishDefaults { get; } = new();

    public List<ConsumeMiddleware> ConsumeMiddleware { get; } = [];

    public List<string> ConsumeNames { get; } = [];

    public OrderedDictionary<Type, Func<IServiceProvider, IExceptionReporter>> ExceptionReporters { get; } = [];

    public OrderedDictionary<Type, Func<IServiceProvider, IMessagingObserver>> Observers { get; } = [];

    public OrderedDictionary<Type, Func<IServiceProvider, ILifecycleHook>> Hooks { get; } = [];

    public List<IMessageSerializer> Serializers { get; } = [new JsonMessageSerializer()];

    public List<Func<IServiceProvider, IBodyTransform>> BodyTransforms { get; } = [];

    public List<IEnvelopeDecoder> Decoders { get; } = [];

    public List<Upcaster> Upcasters { get; } = [];

    public EntityRegistry Entities { get; } = new();

    /// <summary>What <c>Messaging:Transports:…:Type</c> can choose.</summary>
    public Dictionary<string, TransportEntry> Types { get; } = new(StringComparer.OrdinalIgnoreCase) { [InMemory] = TransportEntry.InMemory };

    /// <summary>What the code has made available under a name.</summary>
    public Dictionary<string, TransportEntry> Transports { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Chosen in code; it wins over configuration.</summary>
    public string? ChosenTransport { get; set; }

    /// <summary>For tests: is told of what waits in order.</summary>
    public ILaneWatch? Lanes { get; set; }

    /// <summary>For tests: makes what stands for a transport beside the default one.</summary>
    public Func<IServiceProvider, Func<ITransport>, ITransport>? Substitute { get; set; }

    /// <summary>Chosen in code, instead of that of the default transport's broker.</summary>
    public StateStoreEntry? StateStore { get; set; }

    /// <summary>The worker pools of the code; the configuration may change them, and has its own.</summary>
    public OrderedDictionary<string, PoolOptions> Pools { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Used for publishing beside the default one.</summary>
    public List<string> AlsoUsed { get; } = [];

    public Serializers BuildSerializers() => new(
        Serializers.ConvertAll(serializer => serializer is JsonMessageSerializer json ? json.With(Entities.Converters) : serializer), new(Upcasters));

    /// <exception cref="MessagingConfigurationException">Consumers have been added with the defaults of another one.</exception>
    public void Choose(MessagingPreset preset)
    {
        if (Consumers.Count > 0 && preset != Preset)
        {
            throw new MessagingConfigurationException($"The preset {preset} is chosen after consumers were added. Choose it before: it sets their defaults.");
        }

        Preset = preset;
    }

    public Topology BuildTopology(IReadOnlyList<ConsumerQueue> queues)
    {
        string[] names = [.. queues.Select(static queue => queue.Name)];
        return new(names, [.. Consumers.Where(one => names.Contains(one.Queue, StringComparer.Ordinal))
            .SelectMany(static one => one.Topics, static (one, topic) => new Binding(topic, one.Queue)).Distinct()],
            [.. queues.Where(static queue => queue.Priority is not null).Select(static queue => queue.Name)]);
    }

    /// <summary>All queues, and all patterns of queues as if they were one each.</summary>
    public IReadOnlyList<ConsumerQueue> BuildQueues(Serializers serializers) =>
        [.. Consumers.GroupBy(static one => one.Queue).Select(group => BuildQueue(group.Key, [.. group], group.First().Pool, serializers))];

    /// <summary>A queue with its consumers, which all have the same name or pattern of it.</summary>
    public ConsumerQueue BuildQueue(string queue, IReadOnlyList<ConsumerRegistration> consumers, PoolPlace? pool, Serializers serializers)
    {
        var byType = new Dictionary<string, BuiltConsumer>(StringComparer.Ordinal);
        var first = consumers[0];
        foreach (var consumer in consumers)
        {
            Check(consumer, first);
            var built = consumer.Build(ConsumeMiddleware, serializers, pool);
            foreach (var name in consumer.MessageTypes.DefaultIfEmpty(AnyType))
            {
                if (!byType.TryAdd(name, built))
                {
                    throw new MessagingConfigurationException(
                        $"The queue '{queue}' has two consumers of {(name == AnyType ? "text or bytes" : $"'{name}'")}: "
                        + $"'{byType[name].Name}' and '{consumer.Name}'. Give one of them a queue of its own.");
                }
            }
        }

        byType.Remove(AnyType, out var fallback);
        return new()
        {
            Name = queue,
            Transport = first.Options.Transport,
            Concurrency = first.Options.Concurrency * (first.Options.Batch?.MaxSize ?? 1),
            Pool = first.IsBatch ? null : pool,
            IsRun = first.IsRun,
            Order = first.Options.Order,
            Priority = first.Options.Priority,
            SingleActive = first.Options.SingleActive,
            ConsumerPriority = first.Options.ConsumerPriority,
            CircuitBreaker = first.Options.CircuitBreaker,
            RateLimit = first.Options.RateLimit,
            RateLimitPerKey = first.Options.RateLimitPerKey,
            Lanes = Lanes,
            Lease = first.Options.Lease,
            RenewLease = first.Options.RenewLease,
            MaxRedeliveries = first.Options.MaxRedeliveries,
            HungAfter = consumers.Min(static consumer => consumer.Options.HungAfter),
            Transactions = consumers.Any(static consumer => consumer.Options.Transactional) ? first.Options.Concurrency : 0,
            OnExpired = first.Options.OnExpired,
            Fallback = fallback,
            ByType = byType.ToFrozenDictionary(StringComparer.Ordinal),
        };
    }

    public void Check(MessagingOptions options)
    {
        Require(options.PublishTimeout > TimeSpan.Zero, $"PublishTimeout must be positive; it is {options.PublishTimeout}.");
        Require(
            options.RequestTimeout > TimeSpan.Zero && options.RequestTimeout <= Requester.Longest,
            $"RequestTimeout must be positive and at most {Requester.Longest}; it is {options.RequestTimeout}.");
        Require(options.DrainTimeout >= TimeSpan.Zero, $"DrainTimeout must not be negative; it is {options.DrainTimeout}.");
        Require(options.HookTimeout > TimeSpan.Zero && options.HookTimeout <= TimeSpan.FromDays(1), $"HookTimeout must be positive and at most a day; it is {options.HookTimeout}.");
        Require(options.HeartbeatInterval >= TimeSpan.FromMilliseconds(100), $"HeartbeatInterval must be at least 100 ms; it is {options.HeartbeatInterval}.");
        Require(options.FindQueuesInterval >= TimeSpan.FromMilliseconds(100), $"FindQueuesInterval must be at least 100 ms; it is {options.FindQueuesInterval}.");
        Require(
            options.ProcessTimeToLive >= options.HeartbeatInterval * 2,
            $"ProcessTimeToLive must be at least twice HeartbeatInterval ({options.HeartbeatInterval}); it is {options.ProcessTimeToLive}.");
        Require(options.FailFastAfter is not { } after || after >= TimeSpan.Zero, "FailFastAfter must not be negative.");
        Require(options.MaxBodyBytes > 0, $"MaxBodyBytes must be positive; it is {options.MaxBodyBytes}.");
        Require(
            options is { MaxHeaders: > 0, MaxHeaderNameBytes: > 0, MaxHeaderValueBytes: > 0, MaxHeadersBytes: > 0 },
            "The limits of headers must be positive.");
        foreach (var template in options.Telemetry.TopicTemplates)
        {
            Names.CheckPattern(template);
        }

        foreach (var defaults in PublishDefaults.All)
        {
            var why = EnvelopeLimits.WhyRefused(defaults, options);
            Require(why is null, $"A publish's defaults are refused: {why}");
        }
    }

    private static void Check(ConsumerRegistration consumer, ConsumerRegistration first)
    {
        var options = consumer.Options;
        var who = $"The consumer '{consumer.Name}' of the queue '{consumer.Queue}'";
        if (consumer.IsPattern)
        {
            var illegal = QueuePattern.WhyIllegal(consumer.Queue);
            Require(illegal is null, $"{who} cannot have such queues: {illegal}");
            Require(options.Topics.IsDefaultOrEmpty, $"{who} names Topics, but it takes the queues that it finds as they are bound. Leave Topics empty.");
        }

        Require(options.Concurrency is > 0 and <= 10_000, $"{who} has a Concurrency of {options.Concurrency}; it is from 1 to 10000.");
        Require(
            options.Batch is not { } batch || (batch.MaxSize is > 0 and <= 10_000 && batch.MaxSize * options.Concurrency <= 10_000),
            $"{who} has a batch of {options.Batch?.MaxSize} messages and a Concurrency of {options.Concurrency} batches; together they are from 1 to 10000 messages.");
        Require(options.Batch is not { } waiting || waiting.MaxWait >= TimeSpan.Zero, $"{who} has a negative MaxWait for its batches.");
        Require(
            options.Batch is not null == consumer.IsBatch,
            consumer.IsBatch ? $"{who} takes batches, but its Batch options are null." : $"{who} takes one message at a time: Batch is for AddBatchConsumer.");
        Require(
            options.Batch is null || options.Order == MessageOrder.None,
            $"{who} takes batches, in which messages of one key are side by side: an Order is not possible.");
        Require(
            options.RenewLease || options.Batch is not { } slow || slow.MaxWait < options.Lease,
            $"{who} renews no leases, and its batches wait for as long as its Lease of {options.Lease}: make MaxWait shorter.");
        Require(options.Batch is null || !options.Transactional, $"{who} takes batches, whose messages have an outcome each: they cannot be Transactional.");
        Require(options.Priority is not { LowerOneIn: < 0 or 1 }, $"{who} has a LowerOneIn of {options.Priority?.LowerOneIn}; it is 0, or at least 2.");
        Require(options.Lease >= TimeSpan.FromMilliseconds(100), $"{who} has a Lease of {options.Lease}; it is at least 100 ms.");
        Require(options.HungAfter is not { } hung || hung > TimeSpan.Zero, $"{who} has a HungAfter of {options.HungAfter}; it is positive, or null for never.");
        var circuit = options.CircuitBreaker?.WhyWrong();
        Require(circuit is null, $"{who} has a wrong CircuitBreaker: {circuit}");
        var rate = options.RateLimit?.WhyWrong();
        Require(rate is null, $"{who} has a wrong RateLimit: {rate}");
        var keyRate = options.RateLimitPerKey?.WhyWrong();
        Require(keyRate is null, $"{who} has a wrong RateLimitPerKey: {keyRate}");
        Require(options.MaxRedeliveries > 0, $"{who} has MaxRedeliveries {options.MaxRedeliveries}; it is at least 1.");
        Require(
            options.Isolation is IsolationLevel.ReadCommitted or IsolationLevel.RepeatableRead or IsolationLevel.Serializable,
            $"{who} has the Isolation {options.Isolation}; it is ReadCommitted, RepeatableRead or Serializable.");
        foreach (var policy in options.Retry.All())
        {
            Require(policy.MaxAttempts > 0, $"{who} has MaxAttempts {policy.MaxAttempts}; it is at least 1.");
        }

        Require(
            OfQueue(options).Equals(OfQueue(first.Options)),
            $"{who} shares it with '{first.Name}', but their Transport, Concurrency, Pool, Batch, Order, Priority, SingleActive, ConsumerPriority, CircuitBreaker, RateLimit, RateLimitPerKey, Lease, RenewLease, MaxRedeliveries or OnExpired "
            + "differ. "
            + "Make them equal, or give it a queue of its own.");
    }

    private static object OfQueue(ConsumerOptions o) =>
        (o.Transport?.ToUpperInvariant(), o.Concurrency, o.Pool?.ToUpperInvariant(), o.Batch, o.Order, o.Priority, o.SingleActive, o.ConsumerPriority, o.CircuitBreaker, o.RateLimit, o.RateLimitPerKey, o.Lease, o.RenewLease,
            o.MaxRedeliveries, o.OnExpired);

    private static void Require(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new MessagingConfigurationException(otherwise);
        }
    }
}
