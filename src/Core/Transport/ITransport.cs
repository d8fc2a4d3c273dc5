namespace Postrider.Core.Transport;

/// <summary>
/// One connection of this process to one broker. The transport moves bytes; the Core owns meaning.
/// </summary>
/// <remarks>
/// <para>Thread-safe: every member may be called at any time from any thread.</para>
/// <para>A transport connects on first use and reconnects by itself: after a <see cref="TransportException"/> whose
/// <see cref="TransportException.IsTransient"/> is true the same instance, and its receivers, can be used again.
/// It does not wait or retry within a call: pacing is the Core's.</para>
/// <para>Abilities beyond these members are second interfaces, found by type test, such as <see cref="ILeaseRenewal"/>.</para>
/// </remarks>
public interface ITransport : IAsyncDisposable
{
    /// <summary>What this transport does by itself, what it emulates and what it cannot do. Constant for its lifetime.</summary>
    TransportCapabilities Capabilities { get; }

    /// <summary>
    /// Makes the queues, their dead-letter queues and the bindings exist. Idempotent, and safe when many processes do it at once.
    /// Adds only: queues and bindings that are not named stay as they are.
    /// </summary>
    /// <exception cref="TransportException">The broker cannot be reached, refuses the credentials, or holds something else under a name.</exception>
    ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken);

    /// <summary>
    /// Publishes each message and reports on each: <paramref name="results"/> has the length of <paramref name="batch"/> and is filled in its order.
    /// </summary>
    /// <remarks>
    /// <para>Completes when every result is known. Failures of items are results, not exceptions; the batch is no transaction.</para>
    /// <para>Envelopes, bodies and headers are not read after completion, so the caller may reuse their memory.
    /// Cancelling ends the wait soon: items that were not handed to the broker become <see cref="PublishStatus.NotSent"/>,
    /// the others <see cref="PublishStatus.Unknown"/>; it does not throw.</para>
    /// </remarks>
    ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken);

    /// <summary>Starts to receive from one queue. The caller disposes of the receiver.</summary>
    /// <exception cref="TransportException"><see cref="TransportError.QueueNotFound"/> if the queue does not exist, or as for <see cref="DeclareAsync"/>.</exception>
    ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken);
}
