using System.Collections.Frozen;
using Postrider.Core.Consuming;
using Postrider.Core.Entities;
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

    public List<Func<IServiceProvider, PublishMiddleware>> PublishMiddleware { get; } = [];

    public List<ConsumeMiddleware> ConsumeMiddleware { get; } = [];

    public List<Func<IServiceProvider, IExceptionReporter>> ExceptionReporters { get; } = [];

    public List<IMessageSerializer> Serializers { get; } = [new JsonMessageSerializer()];

    public List<IEnvelopeDecoder> Decoders { get; } = [];

    public List<Upcaster> Upcasters { get; } = [];

    public EntityRegistry Entities { get; } = new();

    public Dictionary<string, Func<IServiceProvider, ITransport>> Transports { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Chosen in code; it wins over configuration.</summary>
    public string? ChosenTransport { get; set; }

    /// <summary>Chosen by <c>Messaging:Transport</c>.</summary>
    public string? ConfiguredTransport { get; set; }

    public Serializers BuildSerializers() => new(
        Serializers.ConvertAll(serializer => serializer is JsonMessageSerializer json ? json.With(Entities.Converters) : serializer), new(Upcasters));

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
                var built = consumer.Build(ConsumeMiddleware, serializers);
                foreach (var name in consumer.MessageTypes.DefaultIfEmpty(AnyType))
                {
                    if (!byType.TryAdd(name, built))
                    {
                        throw new MessagingConfigurationException(
                            $"The queue '{group.Key}' has two consumers of {(name == AnyType ? "text or bytes" : $"'{name}'")}: "
                            + $"'{byType[name].Name}' and '{consumer.Name}'. Give one of them a queue of its own.");
                    }
                }
            }

            byType.Remove(AnyType, out var fallback);

            queues.Add(new()
            {
                Name = group.Key,
                Concurrency = first.Options.Concurrency,
                Lease = first.Options.Lease,
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
    }

    private static void Check(ConsumerRegistration consumer, ConsumerRegistration first)
    {
        var options = consumer.Options;
        var who = $"The consumer '{consumer.Name}' of the queue '{consumer.Queue}'";
        Require(options.Concurrency is > 0 and <= 10_000, $"{who} has a Concurrency of {options.Concurrency}; it is from 1 to 10000.");
        Require(options.Lease >= TimeSpan.FromMilliseconds(100), $"{who} has a Lease of {options.Lease}; it is at least 100 ms.");
        Require(options.MaxRedeliveries > 0, $"{who} has MaxRedeliveries {options.MaxRedeliveries}; it is at least 1.");
        foreach (var policy in options.Retry.All())
        {
            Require(policy.MaxAttempts > 0, $"{who} has MaxAttempts {policy.MaxAttempts}; it is at least 1.");
        }

        Require(
            (options.Concurrency, options.Lease, options.MaxRedeliveries, options.OnExpired)
                == (first.Options.Concurrency, first.Options.Lease, first.Options.MaxRedeliveries, first.Options.OnExpired),
            $"{who} shares it with '{first.Name}', but their Concurrency, Lease, MaxRedeliveries or OnExpired differ. Make them equal, or give it a queue of its own.");
    }

    private static void Require(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new MessagingConfigurationException(otherwise);
        }
    }
}
