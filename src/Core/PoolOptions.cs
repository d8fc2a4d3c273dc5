using System.Collections.Immutable;

namespace Postrider;

/// <summary>Options of a worker pool: a bound for the handlers of several queues together. Immutable; checked once at start.</summary>
public sealed record PoolOptions
{
    /// <summary>
    /// How many handlers run at once over all queues of the pool; of batch consumers, how many batches. Each queue's own
    /// <see cref="ConsumerOptions.Concurrency"/> bounds it as well.
    /// </summary>
    public int Concurrency { get; init; } = 16;

    /// <summary>
    /// The queues, beside those whose consumers name the pool (<see cref="ConsumerOptions.Pool"/>): names, or beginnings of names with a <c>*</c> behind
    /// (<c>billing.*</c>, <c>*</c>), of the queues that this application has consumers of. A queue is in one pool at most.
    /// </summary>
    public ImmutableArray<string> Queues { get; init; } = [];

    /// <summary>
    /// Whether the order of <see cref="Queues"/> counts: a free slot goes to the first queue that has a message here waiting for one, so a busy queue can keep
    /// those behind it waiting for ever. What runs is not interrupted. If not, a slot goes to whoever has waited longest.
    /// </summary>
    public bool Strict { get; init; }
}

/// <summary>What a worker pool is doing, as of a moment.</summary>
/// <param name="Concurrency">How many handlers may run at once.</param>
/// <param name="Busy">How many do, but for those that hang and have stand-ins.</param>
/// <param name="Waiting">How many workers have a message at hand and wait for a slot.</param>
public sealed record PoolStatus(int Concurrency, int Busy, int Waiting);
