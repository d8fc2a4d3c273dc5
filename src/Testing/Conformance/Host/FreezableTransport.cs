using Postrider.Core.Transport;

namespace Postrider.Testing.Conformance;

/// <summary>
/// Lets leases run out as if the process had been frozen: meanwhile nothing is received, and renewals are not told.
/// It does not own the inner transport.
/// </summary>
internal sealed class FreezableTransport(ITransport inner) : ITransport
{
    private volatile bool _isArmed;
    private volatile TaskCompletionSource? _frozen;

    public TransportCapabilities Capabilities => inner.Capabilities;

    /// <summary>The process freezes at the moment when the next delivery is handed out.</summary>
    public void FreezeAtNextDelivery() => _isArmed = true;

    public void Thaw()
    {
        var frozen = _frozen;
        (_isArmed, _frozen) = (false, null);
        frozen?.SetResult();
    }

    public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => inner.DeclareAsync(topology, cancellationToken);

    public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
        inner.PublishAsync(batch, results, cancellationToken);

    public async ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) =>
        new Receiver(this, await inner.OpenReceiverAsync(options, cancellationToken).ConfigureAwait(false));

    public ValueTask DisposeAsync() => default;

    private sealed class Receiver(FreezableTransport owner, IReceiver inner) : IReceiver, ILeaseRenewal
    {
        public async ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken)
        {
            if (owner._frozen is { } frozen)
            {
                await frozen.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            }

            var deliveries = await inner.ReceiveAsync(max, cancellationToken).ConfigureAwait(false);
            if (owner._isArmed && deliveries.Count > 0)
            {
                owner._frozen = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            return deliveries;
        }

        public ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken) =>
            inner.SettleAsync(batch, results, cancellationToken);

        public ValueTask RenewAsync(ReadOnlyMemory<Delivery> deliveries, Memory<SettleResult> results, CancellationToken cancellationToken)
        {
            if (owner._frozen is not null)
            {
                results.Span.Fill(SettleResult.Settled);
                return default;
            }

            return ((ILeaseRenewal)inner).RenewAsync(deliveries, results, cancellationToken);
        }

        public ValueTask StopAsync(CancellationToken cancellationToken) => inner.StopAsync(cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
