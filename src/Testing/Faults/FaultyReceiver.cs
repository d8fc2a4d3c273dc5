using Postrider.Core.Transport;

namespace Postrider.Testing;

/// <summary>What can go wrong in receiving, stopping and closing. Settling is in <see cref="FaultySettling"/>, contents in <see cref="FaultyContents"/>.</summary>
internal class FaultyReceiver(FaultyTransport transport, ITransport innerTransport, IReceiver inner, ReceiverOptions options, FaultSwitch fault)
    : IReceiver
{
    private static readonly TimeSpan AtOnce = TimeSpan.FromMilliseconds(20);
    private readonly Queue<Delivery> _fetched = [];
    private readonly FaultySettling _settling = new(innerTransport, inner, fault);
    private Task<IReadOnlyList<Delivery>>? _orphan;
    private volatile bool _stopped;
    private int _stops;
    private int _closes;

    public async ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken)
    {
        if (fault.Delayed.ContainsKey(options.Queue) && fault.Hits(Fault.DelayedBlockTheQueue))
        {
            await NeverAsync(cancellationToken).ConfigureAwait(false);
        }

        while (true)
        {
            var deliveries = await FetchAsync(max, cancellationToken).ConfigureAwait(false);
            await _settling.HandOutAsync(deliveries).ConfigureAwait(false);
            var faulty = deliveries
                .Where(one => !fault.Hits(Fault.HoldsForever, one.Redeliveries > 0))
                .Select(one => FaultyContents.Wrap(one, fault)).ToArray();
            if (faulty.Length > 0 || deliveries.Count == 0)
            {
                return faulty;
            }
        }
    }

    public ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        if (fault.Hits(Fault.StopEndsSettling, _stopped))
        {
            results.Span.Fill(SettleResult.Failed(new InvalidOperationException("Stopped.")));
            return default;
        }

        return _settling.SettleAsync(batch, results, cancellationToken);
    }

    public async ValueTask StopAsync(CancellationToken cancellationToken)
    {
        if (fault.Hits(Fault.ThrowsOnSecondClose, _closes + ++_stops > 1))
        {
            throw new InvalidOperationException("Stopped already.");
        }

        if (fault.Hits(Fault.StopIgnored))
        {
            return;
        }

        _stopped = true;
        await inner.StopAsync(cancellationToken).ConfigureAwait(false);
        if (fault.Hits(Fault.StopStopsTheTransport))
        {
            await transport.DisposeAsync().ConfigureAwait(false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (fault.Hits(Fault.ThrowsOnSecondClose, ++_closes > 1))
        {
            throw new InvalidOperationException("Disposed of already.");
        }

        if (fault.Hits(Fault.HangsOnClose))
        {
            await NeverAsync(CancellationToken.None).ConfigureAwait(false);
        }

        await inner.DisposeAsync().ConfigureAwait(false);
    }

    private async ValueTask<IReadOnlyList<Delivery>> FetchAsync(int max, CancellationToken cancellationToken)
    {
        switch (fault.Fault)
        {
            case Fault.IgnoresMax when fault.Hits(Fault.IgnoresMax):
                return await inner.ReceiveAsync(max + 3, cancellationToken).ConfigureAwait(false);
            case Fault.HoardsMessages:
                return await FetchAheadAsync(1000, max, cancellationToken).ConfigureAwait(false);
            case Fault.StopLosesClaimed:
                return await FetchAheadAsync(options.Prefetch, max, cancellationToken).ConfigureAwait(false);
            case Fault.LosesOnCancel:
                return await FetchOrForgetAsync(max, cancellationToken).ConfigureAwait(false);
            case Fault.ReturnsEmpty:
                return await FetchAtOnceAsync(max, cancellationToken).ConfigureAwait(false);
            case Fault.SleepsThrough:
                var start = TimeProvider.System.GetTimestamp();
                var late = await inner.ReceiveAsync(max, cancellationToken).ConfigureAwait(false);
                if (fault.Hits(Fault.SleepsThrough, TimeProvider.System.GetElapsedTime(start) > AtOnce))
                {
                    await NeverAsync(cancellationToken).ConfigureAwait(false);
                }

                return late;
            case Fault.HangsOnOutage:
                try
                {
                    return await inner.ReceiveAsync(max, cancellationToken).ConfigureAwait(false);
                }
                catch (TransportException outage) when (fault.Hits(Fault.HangsOnOutage, outage.IsTransient))
                {
                    await NeverAsync(cancellationToken).ConfigureAwait(false);
                    throw;
                }

            default:
                return await inner.ReceiveAsync(max, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Takes more than is asked for, and keeps it whatever happens.</summary>
    private async ValueTask<IReadOnlyList<Delivery>> FetchAheadAsync(int fetch, int max, CancellationToken cancellationToken)
    {
        if (_stopped)
        {
            return [];
        }

        if (_fetched.Count == 0)
        {
            foreach (var delivery in await inner.ReceiveAsync(fetch, cancellationToken).ConfigureAwait(false))
            {
                _fetched.Enqueue(delivery);
            }

            fault.Hits(fault.Fault, _fetched.Count > max);
        }

        var taken = new List<Delivery>();
        while (taken.Count < max && _fetched.TryDequeue(out var delivery))
        {
            taken.Add(delivery);
        }

        return taken;
    }

    /// <summary>A cancelled receive goes on inside, and what comes of it is thrown away.</summary>
    private async ValueTask<IReadOnlyList<Delivery>> FetchOrForgetAsync(int max, CancellationToken cancellationToken)
    {
        if (_orphan is { } orphan)
        {
            fault.Hits(Fault.LosesOnCancel);
            await orphan.WaitAsync(cancellationToken).ConfigureAwait(false);
            _orphan = null;
        }

        var receiving = inner.ReceiveAsync(max, CancellationToken.None).AsTask();
        try
        {
            return await receiving.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _orphan = receiving;
            throw;
        }
    }

    private async ValueTask<IReadOnlyList<Delivery>> FetchAtOnceAsync(int max, CancellationToken cancellationToken)
    {
        using var soon = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        soon.CancelAfter(AtOnce);
        try
        {
            return await inner.ReceiveAsync(max, soon.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (fault.Hits(Fault.ReturnsEmpty, !cancellationToken.IsCancellationRequested))
        {
            return [];
        }
    }

    private static Task NeverAsync(CancellationToken cancellationToken) =>
        Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
}

/// <summary>Leases can be renewed exactly when the inner receiver's can.</summary>
internal sealed class RenewableFaultyReceiver(
    FaultyTransport transport, ITransport innerTransport, IReceiver inner, ILeaseRenewal renewal, ReceiverOptions options, FaultSwitch fault)
    : FaultyReceiver(transport, innerTransport, inner, options, fault), ILeaseRenewal
{
    private readonly FaultSwitch _fault = fault;

    public async ValueTask RenewAsync(ReadOnlyMemory<Delivery> deliveries, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        if (_fault.Hits(Fault.NoRenewal))
        {
            results.Span.Fill(SettleResult.Settled);
            return;
        }

        await renewal.RenewAsync(FaultyContents.Unwrap(deliveries), results, cancellationToken).ConfigureAwait(false);
        for (var i = 0; i < results.Length; i++)
        {
            if (_fault.Hits(Fault.LiesAboutSettling, results.Span[i].Status == SettleStatus.Lost))
            {
                results.Span[i] = SettleResult.Settled;
            }
        }
    }
}
