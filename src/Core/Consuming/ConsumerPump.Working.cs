using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <content>The workers, and what becomes of what they have handled, or do not come to.</content>
internal sealed partial class ConsumerPump
{
    private readonly List<Task> _workers = [];
    private bool _areWorkersEnding;

    /// <summary>Another worker for one that hangs; its slot in the pool becomes free for it.</summary>
    private void StandIn()
    {
        _queue.Pool?.Leave();
        AddWorker();
    }

    private void AddWorker()
    {
        lock (_workers)
        {
            if (!_areWorkersEnding)
            {
                _workers.RemoveAll(static one => one.IsCompletedSuccessfully);
                _workers.Add(StartAsync(WorkAsync, _broken));
            }
        }
    }

    private async Task WorkAsync()
    {
        var (pool, stop) = (_queue.Pool, _broken.Token);
        while (await _work.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            if (pool is not null && !await pool.EnterAsync(stop).ConfigureAwait(false))
            {
                return;
            }

            while (_work.Reader.TryRead(out var slot))
            {
                if (slot.LeaseLost || _draining)
                {
                    HandBack(slot);
                    continue;
                }

                slot.Context.Leases = _leases;
                slot.Begin(_time.GetTimestamp());
                var settlement = await _handler.HandleAsync(slot, _receiver).ConfigureAwait(false);
                var hasStandIn = slot.End();
                if (_queue.IsProbe)
                {
                    await _handler.ProbedAsync(stop).ConfigureAwait(false);
                }

                Settle(slot, settlement);
                if (hasStandIn || (pool is not null && _work.Reader.TryPeek(out _) && !await pool.GoOnAsync(stop).ConfigureAwait(false)))
                {
                    // The slot is another's already.
                    return;
                }
            }

            pool?.Leave();
        }
    }

    /// <param name="slot">What was handled.</param>
    /// <param name="settlement">How to settle it, or null if its lease was lost or it is settled.</param>
    private void Settle(InFlight slot, Settlement? settlement)
    {
        if (settlement is not { } known)
        {
            var behindLost = _lanes?.Leave(slot.Key, _draining);
            _window.Clear(slot);
            HandBack(behindLost);
            return;
        }

        if (_lanes?.Hold(slot, ref known) == true)
        {
            return;
        }

        if (slot.StopReason is { } reason)
        {
            // Before anything else can begin, and before this one can come back.
            _stopReason = reason;
            BeginDrain();
            _broken.Cancel();
        }

        var behind = _lanes?.Leave(slot.Key, _draining);
        Post(slot, known);
        HandBack(behind);
    }

    /// <summary>One that was not begun, and those of its key behind it.</summary>
    private void HandBack(InFlight slot)
    {
        var behind = _lanes?.Leave(slot.Key, _draining);
        HandBack([slot]);
        HandBack(behind);
    }

    private void HandBack(IEnumerable<InFlight>? slots)
    {
        foreach (var slot in slots ?? [])
        {
            if (slot.LeaseLost)
            {
                _window.Clear(slot);
            }
            else
            {
                Post(slot, Settlement.Release(slot.Delivery!));
            }
        }
    }

    /// <summary>What was abandoned keeps its place, which its handler still uses.</summary>
    private void Free(InFlight slot)
    {
        if (!slot.IsAbandoned)
        {
            _window.Clear(slot);
        }
    }
}
