using Postrider.Core.Transport;

namespace Postrider.Testing.Conformance;

/// <summary>Lets leases run out as if the process had been frozen: while paused, renewals are not told. It does not own the inner transport.</summary>
internal sealed class PausedRenewal(ITransport inner) : ITransport
{
    private volatile bool _isPaused;

    public bool IsPaused
    {
        get => _isPaused;
        set => _isPaused = value;
    }

    public TransportCapabilities Capabilities => inner.Capabilities;

    public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => inner.DeclareAsync(topology, cancellationToken);

    public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
        inner.PublishAsync(batch, results, cancellationToken);

    public async ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) =>
        new Receiver(this, await inner.OpenReceiverAsync(options, cancellationToken).ConfigureAwait(false));

    public ValueTask DisposeAsync() => default;

    private sealed class Receiver(PausedRenewal owner, IReceiver inner) : IReceiver, ILeaseRenewal
    {
        public ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken) => inner.ReceiveAsync(max, cancellationToken);

        public ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken) =>
            inner.SettleAsync(batch, results, cancellationToken);

        public ValueTask RenewAsync(ReadOnlyMemory<Delivery> deliveries, Memory<SettleResult> results, CancellationToken cancellationToken)
        {
            if (owner.IsPaused)
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
