using System.Collections.Frozen;
using Postrider.Core.Consuming;
using Postrider.Core.Publishing;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider.Core.Hosting;

/// <summary>What was registered, and the plan made of it at start. Everything that can be wrong in a registration is found here.</summary>
internal sealed class MessagingRegistration
{
    public const string InMemory = "inmemory";

    /// <summary>Not a legal name of a type.</summary>
    private const string AnyType = "";

    public MessagingOptions Options { get; set; } = new();

    public List<ConsumerRegistration> Consumers { get; } = [];

    public List<(PublishScope Scope, Func<IServiceProvider, PublishMiddleware> Create)> PublishMiddleware { get; } = [];

    public PublishDefaults PublishDefaults { get; } = new();

    public List<ConsumeMiddleware> ConsumeMiddleware { get; } = [];

    public OrderedDictionary<Type, Func<IServiceProvider, IExceptionReporter>> ExceptionReporters { get; } = [];

    public List<IMessageSerializer> Serializers { get; } = [new JsonMessageSerializer()];

    public List<Func<IServiceProvider, IBodyTransform>> BodyTransforms { get; } = [];

    public Dictionary<string, Func<IServiceProvider, ITransport>> Transports { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Chosen in code; it wins over configuration.</summary>
    public string? ChosenTransport { get; set; }

    /// <summary>Chosen by <c>Messaging:Transport</c>.</summary>
    public string? ConfiguredTransport { get; set; }

    public Topology BuildTopology()
    {
        var queues = new List<string>();
        var bindings = new HashSet<Binding>();
        foreach (var consumer in Consumers)
        {
            if (!queues.Contains(consumer.Queue))
            {
                queues.Add(consumer.Queue);
            }

            foreach (var topic in consumer.Topics)
            {
                bindings.Add(new(topic, consumer.Queue));
            }
        }

        return new([.. queues], [.. bindings]);
    }

    public IReadOnlyList<ConsumerQueue> BuildQueues(Serializers serializers)
    {
        var queues = new List<ConsumerQueue>();
        foreach (var group in Consumers.GroupBy(static consumer => consumer.Queue))
        {
            var byType = new Dictionary<string, BuiltConsumer>(StringComparer.Ordinal);
            var first = group.First();
            foreach (var consumer in group)
            {
                Check(consumer, first);
                if (!byType.TryAdd(consumer.MessageType ?? AnyType, consumer.Build(ConsumeMiddleware, serializers)))
                {
                    throw new MessagingConfigurationException(
                        $"The queue '{group.Key}' has two consumers of {(consumer.MessageType is { } type ? $"'{type}'" : "text or bytes")}: "
                        + $"'{byType[consumer.MessageType ?? AnyType].Name}' and '{consumer.Name}'. Give one of them a queue of its own.");
                }
            }

            byType.Remove(AnyType, out var fallback);

            queues.Add(new()
            {
                Name = group.Key,
                Concurrency = first.Options.Concurrency * (first.Options.Batch?.MaxSize ?? 1),
                Order = first.Options.Order,
                Lease = first.Options.Lease,
                RenewLease = first.Options.RenewLease,
                MaxRedeliveries = first.Options.MaxRedeliveries,
                OnExpired = first.Options.OnExpired,
                Fallback = fallback,
                ByType = byType.ToFrozenDictionary(StringComparer.Ordinal),
            });
        }

        return queues;
    }

    public void CheckOptions()
    {
        Require(Options.PublishTimeout > TimeSpan.Zero, $"PublishTimeout must be positive; it is {Options.PublishTimeout}.");
        Require(Options.DrainTimeout >= TimeSpan.Zero, $"DrainTimeout must not be negative; it is {Options.DrainTimeout}.");
        Require(Options.FailFastAfter is not { } after || after >= TimeSpan.Zero, "FailFastAfter must not be negative.");
        Require(Options.MaxBodyBytes > 0, $"MaxBodyBytes must be positive; it is {Options.MaxBodyBytes}.");
        Require(
            Options is { MaxHeaders: > 0, MaxHeaderNameBytes: > 0, MaxHeaderValueBytes: > 0, MaxHeadersBytes: > 0 },
            "The limits of headers must be positive.");
        foreach (var defaults in PublishDefaults.All)
        {
            var why = EnvelopeLimits.WhyRefused(defaults, Options);
            Require(why is null, $"A publish's defaults are refused: {why}");
        }
    }

    private static void Check(ConsumerRegistration consumer, ConsumerRegistration first)
    {
        var options = consumer.Options;
        var who = $"The consumer '{consumer.Name}' of the queue '{consumer.Queue}'";
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
        Require(options.Lease >= TimeSpan.FromMilliseconds(100), $"{who} has a Lease of {options.Lease}; it is at least 100 ms.");
        Require(options.MaxRedeliveries > 0, $"{who} has MaxRedeliveries {options.MaxRedeliveries}; it is at least 1.");
        foreach (var policy in options.Retry.All())
        {
            Require(policy.MaxAttempts > 0, $"{who} has MaxAttempts {policy.MaxAttempts}; it is at least 1.");
        }

        Require(
            OfQueue(options).Equals(OfQueue(first.Options)),
            $"{who} shares it with '{first.Name}', but their Concurrency, Batch, Order, Lease, RenewLease, MaxRedeliveries or OnExpired differ. Make them equal, or give it a queue of its own.");
    }

    private static object OfQueue(ConsumerOptions o) => (o.Concurrency, o.Batch, o.Order, o.Lease, o.RenewLease, o.MaxRedeliveries, o.OnExpired);

    private static void Require(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new MessagingConfigurationException(otherwise);
        }
    }
}
