using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <content>Asking for messages, waiting for them, and letting go of what was not asked for.</content>
internal sealed partial class NatsReceiver
{
    /// <summary>Keeps a message that came until it is asked for. The caller holds the gate.</summary>
    private void Keep(NatsDelivery delivery)
    {
        if (delivery.IsSuspect)
        {
            _suspects.Enqueue(delivery);
        }
        else
        {
            _buffer.Add(delivery);
        }
    }

    /// <summary>What is here already; null if there is none.</summary>
    private List<Delivery>? Take(int max)
    {
        lock (_gate)
        {
            List<Delivery>? taken = null;
            while (_buffer.Count > 0 && (taken?.Count ?? 0) < max)
            {
                HandOut(_buffer.Take(_turns.Next(_buffer.Waiting)), ref taken, Math.Min(max, _buffer.Count + 1));
            }

            return taken;
        }
    }

    /// <summary>Unless it waited here too long: then it comes again. The caller holds the gate.</summary>
    private void HandOut(NatsDelivery delivery, ref List<Delivery>? taken, int capacity)
    {
        if (IsHeld(delivery))
        {
            (taken ??= new(capacity)).Add(delivery);
            _keeper.Add(delivery);
        }
    }

    /// <summary>Null if there is none. The pulls have ended, and nothing else is held.</summary>
    private async ValueTask<List<Delivery>?> TakeSuspectsAsync(int max)
    {
        List<Delivery>? taken = null;
        lock (_gate)
        {
            while (_suspects.Count > 0 && (taken?.Count ?? 0) < max)
            {
                HandOut(_suspects.Dequeue(), ref taken, Math.Min(max, _suspects.Count + 1));
            }
        }

        if (taken is not null)
        {
            await ReleaseKeptAsync().ConfigureAwait(false);
        }

        return taken;
    }

    private async ValueTask PullAsync(ReceiverSession session, int max)
    {
        foreach (var source in session.Sources)
        {
            int wanted;
            TimeSpan pull;
            lock (_gate)
            {
                pull = _pull;
                wanted = source.Wanting(max);
                if (wanted > 0)
                {
                    source.Begin(wanted, pull);
                }
            }

            try
            {
                if (wanted > 0)
                {
                    // Without the caller's token: what was noted as asked for must be asked for.
                    await source.SendAsync(session.Link, wanted, pull, CancellationToken.None).ConfigureAwait(false);
                }
            }
            catch (Exception e)
            {
                Fault(session, _links.Failed(e, _doing));
            }
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
            List<NatsDelivery> kept = [];
            _buffer.CopyTo(kept);
            batch = [.. kept.Concat(_suspects).Select(Settlement.Release)];
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
            foreach (var source in session.Sources)
            {
                source.Clear();
            }
        }

        _signal.Set();
    }
}
