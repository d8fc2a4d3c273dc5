using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <content>Asking for messages, waiting for them, and letting go of what was not asked for.</content>
internal sealed partial class NatsReceiver
{
    /// <summary>Keeps a message that came until it is asked for. The caller holds the gate.</summary>
    private void Keep(NatsDelivery delivery) => (delivery.IsSuspect ? _suspects : _buffer).Enqueue(delivery);

    /// <summary>Null if there is none.</summary>
    private List<Delivery>? Take(Queue<NatsDelivery> kept, int max)
    {
        lock (_gate)
        {
            List<Delivery>? taken = null;
            while (kept.Count > 0 && (taken?.Count ?? 0) < max)
            {
                var delivery = kept.Dequeue();
                if (!IsHeld(delivery))
                {
                    // It waited here too long; it comes again.
                    continue;
                }

                (taken ??= new(Math.Min(max, kept.Count + 1))).Add(delivery);
                _keeper.Add(delivery);
            }

            return taken;
        }
    }

    /// <summary>Null if there is none. The pulls have ended, and nothing else is held.</summary>
    private async ValueTask<List<Delivery>?> TakeSuspectsAsync(int max)
    {
        var taken = Take(_suspects, max);
        if (taken is not null)
        {
            await ReleaseKeptAsync().ConfigureAwait(false);
        }

        return taken;
    }

    private async ValueTask PullAsync(ReceiverSession session, int max)
    {
        int ready, topics;
        lock (_gate)
        {
            ready = session.Ready.Wanting(max);
            topics = session.Topics?.Wanting(max) ?? 0;
            if (ready > 0)
            {
                session.Ready.Begin(ready, _pull);
            }

            if (topics > 0)
            {
                session.Topics!.Begin(topics, _pull);
            }
        }

        try
        {
            // Without the caller's token: what was noted as asked for must be asked for.
            if (ready > 0)
            {
                await session.Ready.SendAsync(session.Link, ready, _pull, CancellationToken.None).ConfigureAwait(false);
            }

            if (topics > 0)
            {
                await session.Topics!.SendAsync(session.Link, topics, _pull, CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            Fault(session, _links.Failed(e, _doing));
        }
    }

    /// <summary>Until something comes, a pull ends, the connection is lost, or the caller gives up.</summary>
    private async ValueTask WaitAsync(ReceiverSession session)
    {
        using var lost = session.Link.Ended.UnsafeRegister(static state => ((NatsReceiver)state!)._signal.Set(), this);
        lock (_gate)
        {
            _late.Change(session.UntilNextEnd(), Timeout.InfiniteTimeSpan);
        }

        await _signal.WaitAsync().ConfigureAwait(false);
        if (session.Fault is { } fault)
        {
            throw fault;
        }

        if (!session.Link.IsOpen && !_stopped)
        {
            throw NatsErrors.Lost(_doing, _links.Where);
        }
    }

    /// <summary>Waits until the server sends nothing more unasked, at most the time that a pull lasts, and what it sent is known to be for this queue or not.</summary>
    private async ValueTask PullsEndAsync()
    {
        while (_session is { Link.IsOpen: true, Fault: null } session)
        {
            lock (_gate)
            {
                session.ForgetLost();
                if (session.Outstanding == 0 && !_doubting)
                {
                    return;
                }
            }

            try
            {
                await WaitAsync(session).ConfigureAwait(false);
            }
            catch (TransportException)
            {
                return;
            }
        }
    }

    private async ValueTask ReleaseKeptAsync()
    {
        Settlement[] batch;
        lock (_gate)
        {
            batch = [.. _buffer.Concat(_suspects).Select(Settlement.Release)];
            _buffer.Clear();
            _suspects.Clear();
        }

        if (batch.Length > 0)
        {
            await _settler.SettleAsync(batch, new SettleResult[batch.Length], CancellationToken.None).ConfigureAwait(false);
        }
    }

    private void Fault(ReceiverSession session, TransportException error)
    {
        session.Fault ??= error;
        lock (_gate)
        {
            session.Ready.Clear();
            session.Topics?.Clear();
        }

        _signal.Set();
    }
}
