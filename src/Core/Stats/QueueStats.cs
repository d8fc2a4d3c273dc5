namespace Postrider.Core.Stats;

/// <summary>A queue that is consumed, as of now. Immutable.</summary>
public sealed record QueueStats
{
    /// <summary>Its name.</summary>
    public required string Queue { get; init; }

    /// <summary>How many hosts consume it, on all transports that it is on.</summary>
    public int Hosts { get; init; }

    /// <summary>How many of its messages are handled at this moment.</summary>
    public long Busy { get; init; }

    /// <summary>How many may be handled at once.</summary>
    public long Capacity { get; init; }

    /// <summary>
    /// How many messages it holds: ready, delayed, to be tried again and handed out, but for what other processes have in hand where the broker does not tell that
    /// (RabbitMQ). Null if it is not known, or if another host counts it.
    /// </summary>
    public long? Depth { get; init; }

    /// <summary>How many messages may be handed out now; null likewise, or if the broker does not tell.</summary>
    public long? Ready { get; init; }

    /// <summary>How many messages are handed out and not settled, of all processes; null likewise, or if the broker does not tell.</summary>
    public long? Unsettled { get; init; }

    /// <summary>How long the oldest message had been ready; zero if there was none, null likewise, or if the broker does not tell.</summary>
    public TimeSpan? OldestAge { get; init; }

    /// <summary>How many messages its dead-letter queue holds; null likewise.</summary>
    public long? DeadLetters { get; init; }

    /// <summary>When these were counted; null if they were not.</summary>
    public DateTimeOffset? CountedAt { get; init; }

    /// <summary>It is paused (<see cref="IQueueControl"/>), as of now.</summary>
    public bool IsPaused { get; init; }

    /// <summary>Its circuit breaker, as of now.</summary>
    public CircuitState Circuit { get; init; }

    /// <summary>Both together, as the queue of the first one. What was counted later is what counts.</summary>
    public QueueStats Merge(QueueStats other)
    {
        ArgumentNullException.ThrowIfNull(other);
        var counted = CountedAt is null || other.CountedAt > CountedAt ? other : this;
        return this with
        {
            Hosts = Hosts + other.Hosts,
            Busy = Busy + other.Busy,
            Capacity = Capacity + other.Capacity,
            Depth = counted.Depth,
            Ready = counted.Ready,
            Unsettled = counted.Unsettled,
            OldestAge = counted.OldestAge,
            DeadLetters = counted.DeadLetters,
            CountedAt = counted.CountedAt,
            IsPaused = IsPaused || other.IsPaused,
            Circuit = Circuit > other.Circuit ? Circuit : other.Circuit,
        };
    }
}

/// <summary>What a circuit breaker (<see cref="CircuitBreakerOptions"/>) does.</summary>
public enum CircuitState
{
    /// <summary>Nothing; or there is none.</summary>
    Closed,

    /// <summary>The pause is over: one process tries.</summary>
    HalfOpen,

    /// <summary>Nothing is taken from the queue.</summary>
    Open,
}
