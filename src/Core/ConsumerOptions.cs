using System.Collections.Immutable;

namespace Postrider;

/// <summary>Options of one consumer. Immutable; checked once at start.</summary>
/// <remarks>Consumers of several message types may share a queue; what belongs to the queue must then be equal.</remarks>
public sealed record ConsumerOptions
{
    /// <summary>The queue. Null: the kebab case of the consumer's type name without "Consumer", so that each consumer has a queue of its own.</summary>
    public string? Queue { get; init; }

    /// <summary>The topics (patterns) bound to the queue. Empty: the message's own name.</summary>
    public ImmutableArray<string> Topics { get; init; } = [];

    /// <summary>How many handlers of the queue run at once. The only knob of throughput: prefetch is computed from it.</summary>
    public int Concurrency { get; init; } = 16;

    /// <summary>How long a delivery of the queue is ours without renewal; renewed while the handler runs.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>After this many redeliveries without an outcome a message of the queue goes to the dead-letter queue without being run again.</summary>
    public int MaxRedeliveries { get; init; } = 10;

    /// <summary>What becomes of a message of the queue whose time is over.</summary>
    public ExpiredMessage OnExpired { get; init; }

    /// <summary>
    /// Whether each delivery is handled in a database transaction (<see cref="ConsumeContext.Transaction"/>): what the handler writes in it, what it publishes,
    /// and that the message is done, are committed together or not at all. Only <see cref="Outcome.Ack"/> commits: an exception, a retry and a dead letter roll
    /// back first. The transport must be able to (<see cref="Core.Transport.TransportCapabilities.Transactions"/>), else the host does not start. Each running
    /// handler takes a connection, so <see cref="Concurrency"/> is also how many there are.
    /// </summary>
    public bool Transactional { get; init; }

    /// <summary>
    /// The isolation level of transactional handling: <see cref="System.Data.IsolationLevel.ReadCommitted"/>, <see cref="System.Data.IsolationLevel.RepeatableRead"/>
    /// or <see cref="System.Data.IsolationLevel.Serializable"/>. With the latter two leases are not renewed while a handler runs, since its transaction could
    /// not settle what has changed: let <see cref="Lease"/> be twice as long as the longest run.
    /// </summary>
    public System.Data.IsolationLevel Isolation { get; init; } = System.Data.IsolationLevel.ReadCommitted;

    /// <summary>What follows a failure.</summary>
    public RetryPolicy Retry { get; init; } = RetryPolicy.Default;

    /// <summary>
    /// Called once for each message of this consumer that became a dead letter, when that is durable: not if the process ends in between. What it throws is
    /// logged and reported, and changes nothing. Until it returns the message keeps its place in the window, so a slow one slows the queue down.
    /// </summary>
    public Func<FailedMessage, CancellationToken, ValueTask>? OnFailed { get; init; }

    /// <summary>Middlewares of this consumer, inside the global ones; the first is outermost.</summary>
    public ImmutableArray<ConsumeMiddleware> Middleware { get; init; } = [];
}

/// <summary>What becomes of a message that is handed out after its time to live.</summary>
public enum ExpiredMessage
{
    /// <summary>It goes to the dead-letter queue, as <see cref="DeadLetterReason.Expired"/>.</summary>
    DeadLetter,

    /// <summary>It is gone; counted and logged.</summary>
    Discard,
}
