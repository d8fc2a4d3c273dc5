using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <content>
/// Levels of a queue. Whether a message waits in one shows only by asking for it, and what is asked for is claimed. So the levels are asked one after another, from the
/// highest down, for what is there and not for more than is wanted, and lower ones when it is their turn. When nothing is anywhere, one is waited for in each level.
/// Those may come together: they stay in the buffer until it is the turn of their levels.
/// </content>
internal sealed partial class NatsReceiver
{
    private const int AllLevels = (1 << Priorities.Count) - 1;
    private readonly int _lowerOneIn;

    /// <summary>The level that had the last turn which was not one of lower levels.</summary>
    private int _highest = Priorities.Highest;

    private bool _topicsFirst;

    private async ValueTask<List<PullSource>> LevelSourcesAsync(string inbox, CancellationToken cancellationToken)
    {
        var stream = _subjects.StreamOf(Subjects.LevelsOf(Queue));
        var waits = await Task.WhenAll(Subjects.Levels.Select(level => AckWaitAsync(stream, Subjects.ConsumerOf(level), cancellationToken).AsTask())).ConfigureAwait(false);
        return [.. Subjects.Levels.Select((level, i) => new PullSource(stream, Subjects.ConsumerOf(level), inbox, ReceiverSession.TagOf(level), waits[i]))];
    }

    /// <summary>What is there, here and on the server, in the order of turns; null if there is nothing.</summary>
    private async ValueTask<List<Delivery>?> TakeByTurnsAsync(ReceiverSession session, int max)
    {
        List<Delivery>? taken = null;
        var untried = AllLevels;
        try
        {
            while ((taken?.Count ?? 0) < max && !_stopped && !HasSuspects && session.IsUsable)
            {
                var left = max - (taken?.Count ?? 0);
                var lower = (untried | Waiting) & ((1 << _highest) - 1);
                var level = _turns.Next(1 << _highest | lower);
                if (level != _highest)
                {
                    // Each of them has its share of the lower levels' turns.
                    var share = left / Math.Max(1, _lowerOneIn * int.PopCount(lower));
                    untried = await ClaimAsync(session, level, Math.Max(1, share), untried).ConfigureAwait(false);
                }
                else
                {
                    (level, untried) = await ClaimHighestAsync(session, left, untried).ConfigureAwait(false);
                }

                if (level < 0 || (Waiting & (1 << level)) == 0)
                {
                    _turns.Missed();
                    if (level < 0)
                    {
                        break;
                    }

                    continue;
                }

                lock (_gate)
                {
                    HandOut(_buffer.Take(level), ref taken, left);
                }
            }
        }
        catch (TransportException) when (taken is not null)
        {
            // The next call finds it again.
        }

        return taken;
    }

    /// <summary>The highest level that has a message, which is here then, and is one of several if they are wanted; -1 if there is none.</summary>
    private async ValueTask<(int Level, int Untried)> ClaimHighestAsync(ReceiverSession session, int wanted, int untried)
    {
        for (var level = Priorities.Highest; level >= Priorities.Lowest; level--)
        {
            var lower = (untried | Waiting) & ((1 << level) - 1);
            // No more than there are turns for it if lower levels have their share.
            var count = lower == 0 || _lowerOneIn == 0 ? wanted : Math.Max(1, wanted - (wanted / _lowerOneIn) - 1);
            while ((untried & (1 << level)) != 0 && (Waiting & (1 << level)) == 0)
            {
                untried = await ClaimAsync(session, level, count, untried).ConfigureAwait(false);
                if (HasSuspects)
                {
                    return (-1, untried);
                }
            }

            // What came to a higher level meanwhile goes first.
            var waiting = Waiting >> level;
            if (waiting != 0)
            {
                _highest = level + int.Log2(waiting);
                return (_highest, untried);
            }
        }

        return (-1, untried);
    }

    /// <summary>Asks a level for what it has, unless that is here or known to be nothing.</summary>
    /// <returns>What is still untried: without this level if it has no more.</returns>
    private async ValueTask<int> ClaimAsync(ReceiverSession session, int level, int count, int untried)
    {
        if ((untried & (1 << level)) == 0 || (Waiting & (1 << level)) != 0)
        {
            return untried;
        }

        var tag = ReceiverSession.TagOf(level);
        if (tag != ReceiverSession.Ready || !session.Has(ReceiverSession.Topics))
        {
            return (await ClaimAsync(session, session.Of(tag), count).ConfigureAwait(false)).IsDry ? untried & ~(1 << level) : untried;
        }

        // Two sources have the default level. They take turns too.
        _topicsFirst = !_topicsFirst;
        var (first, second) = _topicsFirst ? (ReceiverSession.Topics, tag) : (tag, ReceiverSession.Topics);
        var (came, isDry) = await ClaimAsync(session, session.Of(first), count).ConfigureAwait(false);
        if (came < count)
        {
            isDry &= (await ClaimAsync(session, session.Of(second), count - came).ConfigureAwait(false)).IsDry;
        }

        return isDry ? untried & ~(1 << level) : untried;
    }

    /// <summary>Asks a source for what it has, and waits for the end of that.</summary>
    private async ValueTask<(int Came, bool IsDry)> ClaimAsync(ReceiverSession session, PullSource source, int count)
    {
        long before;
        lock (_gate)
        {
            source.ForgetLost();
            if (source.IsOpen)
            {
                // One is waited for there. It would have come if there were any.
                return (0, true);
            }

            before = source.Taken;
            source.Begin(count, ShortestPull, isNow: true);
        }

        try
        {
            await source.SendNowAsync(session.Link, count, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Fault(session, _links.Failed(e, _doing));
        }

        while (true)
        {
            lock (_gate)
            {
                source.ForgetLost();
                if (session.Fault is { } fault)
                {
                    throw fault;
                }

                if (!source.IsOpen && !_doubting)
                {
                    var came = (int)(source.Taken - before);
                    return (came, came < count && !source.WasTooLarge);
                }
            }

            await WaitAsync(session).ConfigureAwait(false);
        }
    }

    private int Waiting
    {
        get
        {
            lock (_gate)
            {
                return _buffer.Waiting;
            }
        }
    }
}
