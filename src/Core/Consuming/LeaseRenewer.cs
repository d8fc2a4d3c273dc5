using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <summary>Keeps the leases of all deliveries in the window, three times per lease. A lost one cancels its handler.</summary>
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
                await RenewAsync(stop).ConfigureAwait(false);
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

    private async ValueTask RenewAsync(CancellationToken stop)
    {
        _deliveries.Clear();
        _slots.Clear();
        foreach (var slot in window.Places)
        {
            if (slot.Delivery is { } delivery && !slot.LeaseLost)
            {
                _deliveries.Add(delivery);
                _slots.Add(slot);
            }
        }

        if (_deliveries.Count == 0)
        {
            return;
        }

        var results = new SettleResult[_deliveries.Count];
        await receiver.RenewAsync(_deliveries.ToArray(), results, stop).ConfigureAwait(false);
        for (var i = 0; i < results.Length; i++)
        {
            // It is also lost when it was settled a moment ago; then the place no longer holds this delivery, and nothing happens.
            if (results[i].Status == SettleStatus.Lost && _slots[i].LoseLease(_deliveries[i]))
            {
                logger.LeaseLost(_deliveries[i].Envelope.Id, queue.Name);
            }
            else if (results[i].Error is { } error)
            {
                throw error;
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
            if (slot.Delivery is { } delivery && !slot.LeaseLost && slot.LoseLease(delivery))
            {
                logger.LeaseLost(delivery.Envelope.Id, queue.Name);
            }
        }
    }
}
