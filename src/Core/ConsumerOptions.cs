using System.Collections.Immutable;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Postrider;

/// <summary>Options of one consumer. Immutable; checked once at start.</summary>
/// <remarks>Consumers of several message types may share a queue; what belongs to the queue must then be equal.</remarks>
public sealed record ConsumerOptions
{
    /// <summary>The queue. Null: the kebab case of the consumer's type name without "Consumer", so that each consumer has a queue of its own.</summary>
    /// <remarks>
    /// A beginning with a <c>*</c> behind, such as <c>tenant_*</c>, or <c>*</c> alone: all queues of that transport that begin so, as they come and go
    /// (<see cref="MessagingOptions.FindQueuesInterval"/>), each with these options. Left out are dead-letter queues, what transports have for themselves, and the
    /// queues that this host has another consumer of, by their name or by more of their beginning.
    /// </remarks>
    public string? Queue { get; init; }

    /// <summary>The name of the transport that the queue is on; null: the host's default one.</summary>
    public string? Transport { get; init; }

    /// <summary>What the transport must be able to do, natively or emulated. If it is not, the host stops at start and names this consumer.</summary>
    public ImmutableArray<TransportCapability> Requires { get; init; } = [];

    /// <summary>The topics (patterns) bound to the queue. Empty: the message's own name.</summary>
    public ImmutableArray<string> Topics { get; init; } = [];

    /// <summary>
    /// How many handlers of the queue run at once; for a batch consumer how many batches, by default one. The only knob of throughput: prefetch is computed from it.
    /// </summary>
    public int Concurrency { get; init; } = 16;

    /// <summary>The worker pool of the queue, whose slots it shares with others (<see cref="MessagingBuilder.AddPool"/>); null: none, unless a pool lists the queue.</summary>
    public string? Pool { get; init; }

    /// <summary>Which messages of the queue wait for each other, in each process.</summary>
    public MessageOrder Order { get; init; }

    /// <summary>
    /// Gives the queue priorities, which it keeps from then on; null: it has none, or those that it was given before. Publishers need not know.
    /// </summary>
    public PriorityOptions? Priority { get; init; }

    /// <summary>
    /// Only one process at a time consumes the queue; the others stand by, and one of them goes on within 5 s when it dies. With an <see cref="Order"/>, messages
    /// of a key are in order over all processes then (on RabbitMQ but for what the active one hands back at its end). It takes a state store.
    /// </summary>
    /// <remarks>
    /// A process that loses its place (it was halted, or cannot reach the store) cancels its handlers before another begins. A handler that does not heed its
    /// token may still run beside the next one's.
    /// </remarks>
    public bool SingleActive { get; init; }

    /// <summary>
    /// A process stands by while another one that is alive has a higher number for the queue. When that one dies, it goes on within
    /// <see cref="MessagingOptions.ProcessTimeToLive"/>; when it stops, at once. Other numbers than 0 take a state store.
    /// </summary>
    public int ConsumerPriority { get; init; }

    /// <summary>Spares the consumers of the queue after too many failures; null: it does not. Without a state store it is for this process alone.</summary>
    public CircuitBreakerOptions? CircuitBreaker { get; init; }

    /// <summary>How fast the queue is consumed at most; null: as fast as its handlers are.</summary>
    public RateLimitOptions? RateLimit { get; init; }

    /// <summary>
    /// How fast messages of each key (<see cref="PublishOptions.Key"/>) are handled at most, beside <see cref="RateLimit"/>; null: as fast as may be. Those without a key are not
    /// limited. What is more waits in the window with its lease renewed: it takes no handler, burns no attempt, and lets other keys pass, until some 500 messages wait.
    /// </summary>
    public RateLimitOptions? RateLimitPerKey { get; init; }

    /// <summary>How large the batches of a batch consumer are. Not for others.</summary>
    public BatchOptions? Batch { get; init; }

    /// <summary>How long a delivery of the queue is ours without renewal; renewed while the handler runs.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Leases of the queue are renewed by themselves. If not, a handler has at least two thirds of <see cref="Lease"/>, and calls
    /// <see cref="ConsumeContext.RenewLeaseAsync"/> to show that it gets on: one that hangs loses its message then. No use on brokers without leases (RabbitMQ).
    /// </summary>
    public bool RenewLease { get; init; } = true;

    /// <summary>After this many redeliveries without an outcome a message of the queue goes to the dead-letter queue without being run again.</summary>
    public int MaxRedeliveries { get; init; } = 10;

    /// <summary>
    /// A handler that has run for longer hangs: it is told of (log, <c>postrider.handlers.hung</c>, <see cref="MessagingStatus.Running"/>), and another one may run
    /// in its stead until it returns, up to as many as <see cref="Concurrency"/>. It keeps its message and its key, and is not cancelled: for that there is
    /// <see cref="HandlerTimeout"/>. The default is longer than the time limits of .NET's own clients with a few tries. Null: never, for work that may take any time.
    /// </summary>
    public TimeSpan? HungAfter { get; init; } = TimeSpan.FromMinutes(5);

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

    /// <summary>What <see cref="Use{TMiddleware}"/> needs from the services.</summary>
    internal Action<IServiceCollection>? Register { get; init; }

    /// <summary>Adds a middleware inside those that are there already: <c>options => options.Use(…).Use&lt;Audit&gt;()</c>.</summary>
    public ConsumerOptions Use(ConsumeMiddleware middleware)
    {
        ArgumentNullException.ThrowIfNull(middleware);
        return this with { Middleware = Middleware.Add(middleware) };
    }

    /// <summary>As <see cref="Use(ConsumeMiddleware)"/>, by a class from the delivery's scope. It is scoped, unless it is registered otherwise already.</summary>
    public ConsumerOptions Use<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(
        System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicConstructors)] TMiddleware>()
        where TMiddleware : class, IConsumeMiddleware =>
        Use(FromScope<TMiddleware>()) with { Register = Register + (static services => services.TryAddScoped<TMiddleware>()) };

    internal static ConsumeMiddleware FromScope<TMiddleware>()
        where TMiddleware : class, IConsumeMiddleware =>
        static next => context => context.Services.GetRequiredService<TMiddleware>().ConsumeAsync(context, next);
}

/// <summary>Which messages wait for each other. It is kept within a process: two processes that consume one queue handle messages of one key at the same time.</summary>
public enum MessageOrder
{
    /// <summary>None.</summary>
    None,

    /// <summary>
    /// Those with the same key (<see cref="PublishOptions.Key"/>) are handled one after another, in the order in which they came; others, and those without a key,
    /// beside them. One that is to be tried again lets those behind it pass.
    /// </summary>
    ByKey,

    /// <summary>
    /// As <see cref="ByKey"/>, and one that is to be tried again holds its key back until it has succeeded, or gone to the dead-letter queue. It stays in the window
    /// meanwhile, with its lease renewed, and those behind it too: when they fill the window, all others wait, so choose short delays. When the process ends
    /// meanwhile, its attempts are forgotten, and the next process tries at once.
    /// </summary>
    ByKeyWithRetries,
}

/// <summary>What becomes of a message that is handed out after its time to live.</summary>
public enum ExpiredMessage
{
    /// <summary>It goes to the dead-letter queue, as <see cref="DeadLetterReason.Expired"/>.</summary>
    DeadLetter,

    /// <summary>It is gone; counted and logged.</summary>
    Discard,
}
