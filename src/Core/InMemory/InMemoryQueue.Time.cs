namespace Postrider.Core.InMemory;

/// <content>What time does to a queue: delays and leases end, and the waiting are woken. All under the lock.</content>
internal sealed partial class InMemoryQueue
{
    /// <summary>Puts a message that nobody holds where it belongs: at the end of the visible ones, or among the delayed.</summary>
    private void Place(StoredMessage message, TimeSpan delay)
    {
        if (delay > TimeSpan.Zero)
        {
            _delayed.Enqueue(message, (_clock.After(delay), ++_lastDelayed));
            StartTimer();
            return;
        }

        message.Position = ++_lastPosition;
        message.Since = _clock.Now;
        _visible.Add(message);
        WakeOne();
    }

    /// <summary>Makes visible what has become due, and what is held under leases that are over.</summary>
    private void MakeVisible()
    {
        var now = _clock.Now;
        while (_delayed.TryPeek(out var delayed, out var due) && due.Due <= now)
        {
            _delayed.Dequeue();
            delayed.Position = ++_lastPosition;
            delayed.Since = due.Due;
            _visible.Add(delayed);
        }

        for (var i = _readers.Count - 1; i >= 0; i--)
        {
            var leased = _readers[i].Leased;
            while (leased.First is { } held && held.Due <= now)
            {
                // The token stays: until another takes the message, its last holder may still settle it.
                leased.Remove(held);
                held.Redeliveries++;
                _visible.Return(held);
            }

            if (_readers[i].Closed && leased.Count == 0)
            {
                _readers.RemoveAt(i);
            }
        }
    }

    /// <summary>Wakes one reader if there is something for it; having taken its share it wakes the next one.</summary>
    private void WakeOne()
    {
        if (_waiting.First is { } first && _visible.Count > 0)
        {
            _waiting.RemoveFirst();
            first.Value.Signal();
        }
    }

    /// <summary>
    /// Sees to it that the timer goes off in time for those who wait. One that goes off sooner is left alone: leases begin all the time,
    /// and it starts itself again.
    /// </summary>
    private void StartTimer()
    {
        if (_waiting.Count == 0)
        {
            return;
        }

        var next = _delayed.TryPeek(out _, out var due) ? due.Due : BrokerClock.Never;
        foreach (var reader in _readers)
        {
            next = Math.Min(next, reader.Leased.First?.Due ?? BrokerClock.Never);
        }

        if (next < _timerDue)
        {
            _timerDue = next;
            _timer.Change(_clock.Until(next), Timeout.InfiniteTimeSpan);
        }
    }

    private void OnTimer()
    {
        lock (_gate)
        {
            if (!_deleted)
            {
                _timerDue = BrokerClock.Never;
                MakeVisible();
                WakeOne();
                StartTimer();
            }
        }
    }
}
