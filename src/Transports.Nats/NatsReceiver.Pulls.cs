using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <content>Asking for messages, waiting for them, and letting go of what was not asked for.</content>
internal sealed partial class NatsReceiver
{
    private List<Delivery>? TakeBuffered(int max)
    {
        lock (_gate)
        {
            List<Delivery>? taken = null;
            while (_buffer.Count > 0 && (taken?.Count ?? 0) < max)
            {
                var delivery = _buffer.Dequeue();
                if (!IsHeld(delivery))
                {
                    // It waited here too long; it comes again.
                    continue;
                }

                (taken ??= new(Math.Min(max, _buffer.Count + 1))).Add(delivery);
                _keeper.Add(delivery);
            }

            return taken;
        }
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

    /// <summary>Waits until the server sends nothing more unasked: at most the time that a pull lasts.</summary>
    private async ValueTask PullsEndAsync()
    {
        while (_session is { Link.IsOpen: true, Fault: null } session)
        {
            lock (_gate)
            {
                session.ForgetLost();
                if (session.Outstanding == 0)
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

    /// <summary>With the release of a suspect. A receive that runs at the same time has asked for what comes.</summary>
    private async ValueTask HandBackAsync()
    {
        if (!await _one.WaitAsync(0).ConfigureAwait(false))
        {
            return;
        }

        try
        {
            await PullsEndAsync().ConfigureAwait(false);
            await ReleaseBufferAsync().ConfigureAwait(false);
        }
        finally
        {
            _one.Release();
        }
    }

    private async ValueTask ReleaseBufferAsync()
    {
        Settlement[] batch;
        lock (_gate)
        {
            batch = new Settlement[_buffer.Count];
            for (var i = 0; i < batch.Length; i++)
            {
                batch[i] = Settlement.Release(_buffer.Dequeue());
            }
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
