namespace Postrider;

/// <summary>
/// Handles messages of one type many at a time, where that is cheaper than one by one: one statement to a database, one call to a service. Made anew from dependency
/// injection for each batch, in a scope of its own.
/// </summary>
public interface IBatchConsumer<TMessage>
    where TMessage : notnull
{
    /// <summary>Handles a batch. Deliveries are at least once: the same message may come again, also within one batch.</summary>
    /// <param name="batch">At least one and at most <see cref="BatchOptions.MaxSize"/>, in the order in which they came.</param>
    /// <param name="cancellationToken">Cancelled when the leases of all of them were lost, or when the drain at shutdown ran out of time.</param>
    /// <returns>
    /// What those came to that have no <see cref="BatchItem{TMessage}.Outcome"/> of their own. After an exception it is what each one's <see cref="RetryPolicy"/> makes
    /// of it; those with an outcome of their own keep it.
    /// </returns>
    ValueTask<Outcome> ConsumeAsync(IReadOnlyList<BatchItem<TMessage>> batch, CancellationToken cancellationToken);
}

/// <summary>One message of a batch. Valid until the batch's handler returns; not thread-safe.</summary>
public sealed class BatchItem<TMessage>
    where TMessage : notnull
{
    internal BatchItem(TMessage message, ConsumeContext context) => (Message, Context) = (message, context);

    /// <summary>The decoded message.</summary>
    public TMessage Message { get; }

    /// <summary>The delivery's metadata. Its services are the delivery's own, not the batch's.</summary>
    public ConsumeContext Context { get; }

    /// <summary>What this message came to, if it is not what the handler returns for all.</summary>
    public Outcome? Outcome { get; set; }

    internal long AddedAt { get; init; }

    internal TaskCompletionSource<Outcome> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>How large batches are. Immutable; checked once at start.</summary>
public sealed record BatchOptions
{
    /// <summary>The most messages of a batch. With <see cref="ConsumerOptions.Concurrency"/> batches at once, so many times that many messages are handled at once: at most 10000.</summary>
    public int MaxSize { get; init; } = 100;

    /// <summary>How long a batch that is not full waits for more, from its first message on.</summary>
    public TimeSpan MaxWait { get; init; } = TimeSpan.FromMilliseconds(200);
}
