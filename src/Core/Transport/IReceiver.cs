namespace Postrider.Core.Transport;

/// <summary>Takes deliveries from one queue by demand and settles them in batches.</summary>
/// <remarks>
/// <para>One call of <see cref="ReceiveAsync"/> and one of <see cref="SettleAsync"/> may run at the same time; neither may overlap itself.
/// <see cref="StopAsync"/> and disposal may come at any time and more than once.</para>
/// <para>Disposal without settling hands nothing back by itself: what was not settled is handed out again, here or elsewhere, at the latest
/// when its lease is over, and counts as a redelivery.</para>
/// </remarks>
public interface IReceiver : IAsyncDisposable
{
    /// <summary>
    /// Waits until at least one message is there and returns up to <paramref name="max"/> (at least 1) of them.
    /// Returns an empty list only after <see cref="StopAsync"/>.
    /// </summary>
    /// <remarks>
    /// <para>Cancelling loses nothing: what may already have been claimed is still returned.</para>
    /// <para>A suspect (<see cref="Delivery.IsSuspect"/>) is returned last of what was claimed: beyond the list that it comes with the receiver holds
    /// nothing then, and it claims nothing until the next call. Suspects that do not fit in that list are handed back. So a suspect that ends the
    /// process takes nobody along that its caller does not know of.</para>
    /// </remarks>
    /// <exception cref="OperationCanceledException">Cancelled while nothing was claimed.</exception>
    /// <exception cref="TransportException">Transient: call again after a pause. Otherwise: open a new receiver.</exception>
    ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken);

    /// <summary>
    /// Tells the broker what became of the deliveries; <paramref name="results"/> has the length of <paramref name="batch"/> and is filled in its order.
    /// </summary>
    /// <remarks>
    /// <para>Failures of items are results, not exceptions. One that <see cref="SettleStatus.Failed"/> may be settled again, in the same way.</para>
    /// <para>A settlement by a holder whose lease is over and whose message another holds has no effect and is <see cref="SettleStatus.Lost"/>;
    /// so is a second settlement of the same delivery.</para>
    /// </remarks>
    ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken);

    /// <summary>
    /// Takes no more: ends a waiting <see cref="ReceiveAsync"/> and hands back, without burning an attempt, what was claimed and not yet returned.
    /// What was returned can still be settled.
    /// </summary>
    ValueTask StopAsync(CancellationToken cancellationToken);
}

/// <summary>A receiver whose leases can be renewed while handlers run (see <see cref="TransportCapabilities.LeaseRenewal"/>).</summary>
public interface ILeaseRenewal
{
    /// <summary>
    /// Starts the lease of each delivery anew, by <see cref="ReceiverOptions.Lease"/> from now on the server's clock.
    /// <see cref="SettleStatus.Settled"/> means renewed, <see cref="SettleStatus.Lost"/> that another holds the message or it is gone.
    /// May be called at the same time as the receiver's other members, and more than once at a time.
    /// </summary>
    ValueTask RenewAsync(ReadOnlyMemory<Delivery> deliveries, Memory<SettleResult> results, CancellationToken cancellationToken);
}

/// <summary>How to receive from a queue.</summary>
public sealed record ReceiverOptions
{
    /// <summary>The queue, or a dead-letter queue.</summary>
    public required string Queue { get; init; }

    /// <summary>The most deliveries that are unsettled at any time; <see cref="IReceiver.ReceiveAsync"/> is never asked for more than is free of it.</summary>
    public int Prefetch { get; init; } = 32;

    /// <summary>How long a delivery is ours without renewal, where the broker has leases.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Of a queue with priorities: while lower levels than the highest that has messages wait, at least one delivery in so many is of a lower one
    /// (<see cref="PriorityTurns"/>); 0: none is. All levels are received from, whether the receiver's process declared them or another.
    /// </summary>
    public int LowerPriorityOneIn { get; init; } = PriorityOptions.DefaultLowerOneIn;

    /// <summary>
    /// What was not given out when the receiver stops is handed back when it is closed, so that it comes behind what is released until then. For queues with an
    /// order and a single active consumer: nobody else takes from them meanwhile.
    /// </summary>
    public bool KeepsOrder { get; init; }

    /// <summary>The most transactions that are open at once (<see cref="ITransactionalReceiver"/>); 0 where none is used.</summary>
    public int Transactions { get; init; }
}
