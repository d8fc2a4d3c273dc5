using Postrider.Core.Transport;

namespace Postrider.Testing.Harness;

/// <summary>The receiver's side of <see cref="TestTransport"/>.</summary>
/// <param name="inner">The transport's own.</param>
/// <param name="tracker">Is told.</param>
/// <param name="chaos">May strike.</param>
/// <param name="handling">Nothing is handed out before.</param>
internal class TestReceiver(IReceiver inner, Tracker tracker, RandomStrikes? chaos, Task handling) : IReceiver
{
    public async ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken)
    {
        await handling.WaitAsync(cancellationToken).ConfigureAwait(false);
        var deliveries = await inner.ReceiveAsync(max, cancellationToken).ConfigureAwait(false);
        var handedOut = new Delivery[deliveries.Count];
        for (var i = 0; i < handedOut.Length; i++)
        {
            handedOut[i] = chaos?.HandOut(deliveries[i]) ?? deliveries[i];
            tracker.HandedOut(handedOut[i]);
        }

        return handedOut;
    }

    public async ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        var told = chaos is null ? batch.ToArray() : Array.ConvertAll(batch.ToArray(), chaos.Settle);
        for (var i = 0; i < told.Length; i++)
        {
            tracker.Settling(batch.Span[i], told[i].Kind);
        }

        await inner.SettleAsync(told, results, cancellationToken).ConfigureAwait(false);
        for (var i = 0; i < told.Length; i++)
        {
            tracker.Settled(batch.Span[i], told[i].Kind, results.Span[i]);
        }
    }

    public ValueTask StopAsync(CancellationToken cancellationToken) => inner.StopAsync(cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}

/// <summary>Leases can be renewed exactly when the inner receiver's can.</summary>
internal sealed class RenewableTestReceiver(IReceiver inner, ILeaseRenewal renewal, Tracker tracker, RandomStrikes? chaos, Task handling)
    : TestReceiver(inner, tracker, chaos, handling), ILeaseRenewal
{
    public ValueTask RenewAsync(ReadOnlyMemory<Delivery> deliveries, Memory<SettleResult> results, CancellationToken cancellationToken) =>
        renewal.RenewAsync(Array.ConvertAll(deliveries.ToArray(), Redelivered.Unwrap), results, cancellationToken);
}

/// <summary>A hand-out in chaos: perhaps of what was acked before, though the broker never heard of it.</summary>
internal sealed class Redelivered(Delivery inner, int copy, int redeliveries) : Delivery(inner.Queue, inner.Envelope, redeliveries)
{
    /// <summary>Which of the message's copies it is.</summary>
    public int Copy => copy;

    public override string? BrokerPosition => inner.BrokerPosition;

    private Delivery Inner => inner;

    public static Delivery Unwrap(Delivery delivery) => delivery is Redelivered redelivered ? redelivered.Inner : delivery;
}
