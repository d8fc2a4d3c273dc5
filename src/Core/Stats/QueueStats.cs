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

    /// <summary>How many messages its dead-letter queue holds; null likewise.</summary>
    public long? DeadLetters { get; init; }

    /// <summary>When the two were counted; null if they were not.</summary>
    public DateTimeOffset? CountedAt { get; init; }

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
            DeadLetters = counted.DeadLetters,
            CountedAt = counted.CountedAt,
        };
    }
}
