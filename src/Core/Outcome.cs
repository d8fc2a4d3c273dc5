namespace Postrider;

/// <summary>What a delivery came to. A closed value: acked, to be tried again, or for the dead-letter queue.</summary>
public readonly record struct Outcome
{
    private Outcome(
        OutcomeKind kind, TimeSpan delay, DeadLetterReason reason, string? description, Exception? exception, bool isDiscarded = false, bool stopsQueue = false) =>
        (Kind, Delay, Reason, Description, Exception, IsDiscarded, StopsQueue) = (kind, delay, reason, description, exception, isDiscarded, stopsQueue);

    /// <summary>Done: the message leaves the queue.</summary>
    public static Outcome Ack => default;

    /// <summary>What it came to.</summary>
    public OutcomeKind Kind { get; }

    /// <summary>For a retry: how long to wait, never less.</summary>
    public TimeSpan Delay { get; }

    /// <summary>For a dead letter: the reason code.</summary>
    public DeadLetterReason Reason { get; }

    /// <summary>For a dead letter: the reason in words.</summary>
    public string? Description { get; }

    /// <summary>The exception it came from, if any.</summary>
    public Exception? Exception { get; }

    /// <summary>It leaves the queue without having been done, because the user chose that over a dead letter.</summary>
    internal bool IsDiscarded { get; }

    /// <summary>It stays in its queue, from which nothing is taken any more.</summary>
    internal bool StopsQueue { get; }

    /// <summary>Hand it out again after the delay, as the next attempt.</summary>
    /// <remarks>Counts against <see cref="RetryPolicy.MaxAttempts"/> like a failure: with the last attempt used up it becomes a dead letter.</remarks>
    public static Outcome Retry(TimeSpan delay) => new(OutcomeKind.Retry, delay, default, null, null);

    /// <summary>Move it to the dead-letter queue now.</summary>
    /// <param name="description">Why, in words, for whoever looks into the queue.</param>
    public static Outcome DeadLetter(string description) => new(OutcomeKind.DeadLetter, default, DeadLetterReason.Rejected, description, null);

    internal static Outcome RetryAfter(TimeSpan delay, Exception exception) => new(OutcomeKind.Retry, delay, default, null, exception);

    internal static Outcome DeadLetterBecause(DeadLetterReason reason, string? description, Exception? exception = null) =>
        new(OutcomeKind.DeadLetter, default, reason, description, exception);

    internal static Outcome StopQueue(string description, Exception? exception) =>
        new(OutcomeKind.Retry, default, DeadLetterReason.Exhausted, description, exception, stopsQueue: true);

    internal static Outcome DiscardBecause(DeadLetterReason reason, string? description, Exception? exception = null) =>
        new(OutcomeKind.Ack, default, reason, description, exception, isDiscarded: true);
}

/// <summary>The kinds of outcome.</summary>
public enum OutcomeKind
{
    /// <summary>Done.</summary>
    Ack,

    /// <summary>Again, after a delay.</summary>
    Retry,

    /// <summary>To the dead-letter queue.</summary>
    DeadLetter,
}

/// <summary>Why a message is in a dead-letter queue. A closed set; the numbers and wire names stay.</summary>
public enum DeadLetterReason
{
    /// <summary>The consumer chose it. On the wire <c>rejected</c>.</summary>
    Rejected = 0,

    /// <summary>The body or a header could not be read. On the wire <c>malformed</c>.</summary>
    Malformed = 1,

    /// <summary>No consumer of the queue takes this type. On the wire <c>unknown-type</c>.</summary>
    UnknownType = 2,

    /// <summary>An exception that the policy does not retry. On the wire <c>non-retryable</c>.</summary>
    NonRetryable = 3,

    /// <summary>Every attempt failed. On the wire <c>exhausted</c>.</summary>
    Exhausted = 4,

    /// <summary>Its time was over. On the wire <c>expired</c>.</summary>
    Expired = 5,

    /// <summary>Handed out too often without an outcome: it probably kills its process. On the wire <c>redelivered-too-often</c>.</summary>
    RedeliveredTooOften = 6,
}
