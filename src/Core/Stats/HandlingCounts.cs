namespace Postrider.Core.Stats;

/// <summary>Counts of deliveries since the host started.</summary>
public readonly record struct HandlingCounts
{
    /// <summary><see cref="HandlingOutcome.Acked"/>.</summary>
    public long Acked { get; init; }

    /// <summary><see cref="HandlingOutcome.RetriedByChoice"/>.</summary>
    public long RetriedByChoice { get; init; }

    /// <summary><see cref="HandlingOutcome.RetriedByException"/>.</summary>
    public long RetriedByException { get; init; }

    /// <summary><see cref="HandlingOutcome.DeadLetteredByChoice"/>.</summary>
    public long DeadLetteredByChoice { get; init; }

    /// <summary><see cref="HandlingOutcome.DeadLetteredByException"/>.</summary>
    public long DeadLetteredByException { get; init; }

    /// <summary><see cref="HandlingOutcome.Undeliverable"/>.</summary>
    public long Undeliverable { get; init; }

    /// <summary><see cref="HandlingOutcome.Discarded"/>.</summary>
    public long Discarded { get; init; }

    /// <summary><see cref="HandlingOutcome.Expired"/>.</summary>
    public long Expired { get; init; }

    /// <summary><see cref="HandlingOutcome.StoppedQueue"/>.</summary>
    public long StoppedQueue { get; init; }

    /// <summary>Those of the above that came from an exception, whatever became of them.</summary>
    public long Failed { get; init; }

    /// <summary>Taken away: the lease was over before they were settled, so another has them. Those whose handler came to an outcome are among the above too.</summary>
    public long Lost { get; init; }

    /// <summary>Handlers that were cut off when the host stopped; the messages went back to their queue untouched.</summary>
    public long CutOff { get; init; }

    /// <summary>Those that had been handed out before without an outcome.</summary>
    public long Redelivered { get; init; }

    /// <summary>Handled now.</summary>
    public long InFlight { get; init; }

    /// <summary>All that came to an outcome.</summary>
    public long Handled =>
        Acked + RetriedByChoice + RetriedByException + DeadLetteredByChoice + DeadLetteredByException + Undeliverable + Discarded + Expired + StoppedQueue;

    /// <summary>All that will be tried again.</summary>
    public long Retried => RetriedByChoice + RetriedByException;

    /// <summary>All that were moved to a dead-letter queue, but for the expired ones.</summary>
    public long DeadLettered => DeadLetteredByChoice + DeadLetteredByException + Undeliverable;

    /// <summary>Both together.</summary>
    public static HandlingCounts operator +(HandlingCounts one, HandlingCounts other) => new()
    {
        Acked = one.Acked + other.Acked,
        RetriedByChoice = one.RetriedByChoice + other.RetriedByChoice,
        RetriedByException = one.RetriedByException + other.RetriedByException,
        DeadLetteredByChoice = one.DeadLetteredByChoice + other.DeadLetteredByChoice,
        DeadLetteredByException = one.DeadLetteredByException + other.DeadLetteredByException,
        Undeliverable = one.Undeliverable + other.Undeliverable,
        Discarded = one.Discarded + other.Discarded,
        Expired = one.Expired + other.Expired,
        StoppedQueue = one.StoppedQueue + other.StoppedQueue,
        Failed = one.Failed + other.Failed,
        Lost = one.Lost + other.Lost,
        CutOff = one.CutOff + other.CutOff,
        Redelivered = one.Redelivered + other.Redelivered,
        InFlight = one.InFlight + other.InFlight,
    };

    /// <summary>Both together.</summary>
    public static HandlingCounts Add(HandlingCounts one, HandlingCounts other) => one + other;
}
