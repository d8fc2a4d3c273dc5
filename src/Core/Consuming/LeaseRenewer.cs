using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <summary>
/// Keeps the leases of all deliveries in the window, three times per lease; with <see cref="ConsumerOptions.RenewLease"/> off, of those that wait for a handler.
/// A lost one cancels its handler.
/// </summary>
internal sealed class LeaseRenewer(
    ILeaseRenewal receiver, PrefetchWindow window, ConsumerQueue queue, ExceptionReports reports, TimeProvider time, ILogger logger)
{
    private readonly List<Delivery> _deliveries = [];
    private readonly List<InFlight> _slots = [];
    private long _renewedAt;

    public async Task RunAsync(CancellationToken stop)
    {
        using var timer = new PeriodicTimer(queue.Lease / 3, time);
        _renewedAt = time.GetTimestamp();
        while (await timer.WaitForNextTickAsync(stop).ConfigureAwait(false))
        {
            try
            {
                LoseUnrenewed();
                await RenewAllAsync(stop).ConfigureAwait(false);
                _renewedAt = time.GetTimestamp();
            }
            catch (Exception e) when (!stop.IsCancellationRequested)
            {
                logger.RenewalFailed(queue.Name, e.Message);
                reports.Add(new(e, "renew", queue.Name));
                LoseAllIfOver();
            }
        }
    }

    /// <summary>For a handler that renews its own.</summary>
    public async ValueTask<bool> RenewAsync(InFlight slot, CancellationToken cancellationToken)
    {
        if (slot.Delivery is not { } delivery || slot.LeaseLost)
        {
            return false;
        }

        var now = time.GetTimestamp();
        var result = new SettleResult[1];
        await receiver.RenewAsync(new[] { delivery }, result, cancellationToken).ConfigureAwait(false);
        if (result[0].Error is { } error)
        {
            throw error;
        }

        if (result[0].Status == SettleStatus.Lost)
        {
            Lose(slot, delivery);
            return false;
        }

        slot.LeasedAt = now;
        return true;
    }

    private async ValueTask RenewAllAsync(CancellationToken stop)
    {
        _deliveries.Clear();
        _slots.Clear();
        foreach (var slot in window.Places)
        {
            if (slot.Delivery is { } delivery && !slot.LeaseLost && (queue.RenewLease || !slot.IsRunning))
            {
                _deliveries.Add(delivery);
                _slots.Add(slot);
            }
        }

        if (_deliveries.Count == 0)
        {
            return;
        }

        var now = time.GetTimestamp();
        var results = new SettleResult[_deliveries.Count];
        await receiver.RenewAsync(_deliveries.ToArray(), results, stop).ConfigureAwait(false);
        for (var i = 0; i < results.Length; i++)
        {
            if (results[i].Status == SettleStatus.Lost)
            {
                Lose(_slots[i], _deliveries[i]);
            }
            else if (results[i].Error is { } error)
            {
                throw error;
            }
            else
            {
                _slots[i].LeasedAt = now;
            }
        }
    }

    /// <summary>It is also lost when it was settled a moment ago; then the place no longer holds this delivery, and nothing happens.</summary>
    private void Lose(InFlight slot, Delivery delivery)
    {
        if (slot.LoseLease(delivery))
        {
            logger.LeaseLost(delivery.Envelope.Id, queue.Name);
        }
    }

    /// <summary>Those whose handlers should have renewed them.</summary>
    private void LoseUnrenewed()
    {
        if (queue.RenewLease)
        {
            return;
        }

        foreach (var slot in window.Places)
        {
            if (slot is { IsRunning: true, LeaseLost: false, Delivery: { } delivery } && time.GetElapsedTime(slot.LeasedAt) > queue.Lease)
            {
                Lose(slot, delivery);
            }
        }
    }

    /// <summary>With no renewal for longer than the lease, another may hold every message here.</summary>
    private void LoseAllIfOver()
    {
        if (time.GetElapsedTime(_renewedAt) <= queue.Lease)
        {
            return;
        }

        foreach (var slot in window.Places)
        {
            if (slot.Delivery is { } delivery && !slot.LeaseLost)
            {
                Lose(slot, delivery);
            }
        }
    }
}
