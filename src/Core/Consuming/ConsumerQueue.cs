using System.Collections.Frozen;
using System.Data;
using Postrider.Core.Stats;
using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <summary>A queue that is consumed: its options and its consumers by message type.</summary>
internal sealed record ConsumerQueue
{
    private const int SmallestWindow = 32;
    private const int QuickWindow = 512;

    private readonly BuiltConsumer? _only;

    public required string Name { get; init; }

    /// <summary>The transport that it is on; null: the default one.</summary>
    public string? Transport { get; init; }

    /// <summary>How many deliveries are handled at once.</summary>
    public required int Concurrency { get; init; }

    /// <summary>Whose slots its workers take; null: they need none. The batches of a batch consumer take them themselves.</summary>
    public PoolPlace? Pool { get; init; }

    /// <summary>This process consumes it; if not, it is only declared.</summary>
    public bool IsRun { get; init; } = true;

    /// <summary>It is consumed only until it is empty, as its application has moved to another transport.</summary>
    public bool IsDrained { get; init; }

    public MessageOrder Order { get; init; }

    public PriorityOptions? Priority { get; init; }

    public bool SingleActive { get; init; }

    public int ConsumerPriority { get; init; }

    public CircuitBreakerOptions? CircuitBreaker { get; init; }

    public RateLimitOptions? RateLimit { get; init; }

    public RateLimitOptions? RateLimitPerKey { get; init; }

    /// <summary>Messages may wait for something of their key.</summary>
    public bool HasLanes => Order != MessageOrder.None || RateLimitPerKey is not null;

    /// <summary>One message at a time is tried, as its circuit breaker is half-open.</summary>
    public bool IsProbe { get; init; }

    public ILaneWatch? Lanes { get; init; }

    public required TimeSpan Lease { get; init; }

    public bool RenewLease { get; init; } = true;

    public required int MaxRedeliveries { get; init; }

    /// <summary>The shortest of its consumers; null if none says.</summary>
    public TimeSpan? HungAfter { get; init; }

    /// <summary>How many transactions may be open at once.</summary>
    public int Transactions { get; init; }

    public ExpiredMessage OnExpired { get; init; }

    /// <summary>By each name that a message may have; a consumer may have several.</summary>
    public required FrozenDictionary<string, BuiltConsumer> ByType
    {
        get;
        init
        {
            field = value;
            _only = value.Values.Distinct().Count() == 1 ? value.Values[0] : null;
        }
    }

    /// <summary>The consumer of text or bytes, which takes whatever no other takes.</summary>
    public BuiltConsumer? Fallback { get; init; }

    /// <summary>Each once.</summary>
    public IEnumerable<BuiltConsumer> Consumers => (Fallback is null ? ByType.Values : ByType.Values.Append(Fallback)).Distinct();

    /// <summary>How many of its messages are handled now.</summary>
    public long Busy => Consumers.Sum(static one => one.Counters.InFlight);

    /// <summary>Of what none of its consumers takes.</summary>
    public HandlingCounters Unclaimed { get; } = new();

    /// <summary>
    /// How much is under way at first: twice what runs at once, so that workers need not wait for the next claim; with priorities no more than that, as what is
    /// claimed is not overtaken.
    /// </summary>
    public int FirstWindow => IsProbe ? 1 : Priority is not null ? Concurrency : Math.Max(Concurrency * 2, SmallestWindow);

    /// <summary>How much is under way while handlers are quick (see <see cref="PrefetchWindow"/>).</summary>
    public int LargestWindow => IsProbe ? 1 : Math.Max(FirstWindow, QuickWindow);

    /// <summary>The most that is ever under way: the largest window, and what hung handlers hold that others stand in for.</summary>
    public int Prefetch => LargestWindow + (HungAfter is null || IsProbe ? 0 : Concurrency);

    /// <summary>The consumer of a message, or null: a message that names no type goes to the only consumer of the queue.</summary>
    public BuiltConsumer? Find(Envelope envelope)
    {
        if (envelope.Type is { } type)
        {
            return ByType.TryGetValue(type, out var consumer) ? consumer : Fallback;
        }

        return Fallback ?? _only;
    }

    public HandlingCounters CountersOf(Envelope envelope) => Find(envelope)?.Counters ?? Unclaimed;
}

/// <summary>A consumer with its chain of middlewares built. With an isolation level it is transactional.</summary>
internal sealed record BuiltConsumer(
    string Name, ConsumeDelegate Chain, RetryPolicy Retry, Func<FailedMessage, CancellationToken, ValueTask>? OnFailed = null, IsolationLevel? Isolation = null,
    TimeSpan? HungAfter = null)
{
    /// <summary>The name of its message type; null for text and bytes.</summary>
    public string? MessageType { get; init; }

    public HandlingCounters Counters { get; } = new();
}
