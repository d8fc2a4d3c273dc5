using Postrider.Core.Diagnostics;
using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <content>The end, in its order and bounded.</content>
internal sealed partial class ConsumerPump
{
    /// <summary>How long after the drain's deadline cancelled handlers may take to return, before their messages are handed back without them.</summary>
    private static readonly TimeSpan Return = TimeSpan.FromSeconds(1);

    /// <summary>How long settlements may take to be told in the end.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    /// <summary>How long after the drain timeout a pump has ended, with all that could be told to the broker.</summary>
    public static readonly TimeSpan AfterDrain = Return + Grace;

    private readonly Lock _ending = new();
    private readonly CancellationTokenSource _abandon = new();
    private readonly List<(InFlight Slot, Settlement Settlement)> _untilStopped = [];
    private Task? _stopping;
    private bool _hasStopped;
    private volatile bool _draining;
    private volatile string? _stopReason;

    /// <summary>Nothing more begins. The receiver is told first, so that it knows of what is handed back from here on that this is the end.</summary>
    private Task BeginDrain()
    {
        lock (_ending)
        {
            _stopping ??= StopAsync();
        }

        _draining = true;
        return _stopping;

        // What the call itself throws is in the task.
        async Task StopAsync() => await _receiver.StopAsync(_abandon.Token).ConfigureAwait(false);
    }

    /// <summary>
    /// Has it settled. What is handed back because of the end waits until the receiver takes no more: a broker that it still asks would hand it out here again at once, to be
    /// handed back once more.
    /// </summary>
    private void Post(InFlight slot, Settlement settlement)
    {
        if (settlement.Kind == SettlementKind.Release)
        {
            lock (_ending)
            {
                if (_stopping is not null && !_hasStopped)
                {
                    _untilStopped.Add((slot, settlement));
                    return;
                }
            }
        }

        _settling.Post(slot, settlement);
    }

    /// <summary>The receiver has stopped, or hangs: what waited for it is settled, and from now on nothing waits.</summary>
    private void PostWaiting()
    {
        lock (_ending)
        {
            _hasStopped = true;
            foreach (var (slot, settlement) in _untilStopped)
            {
                _settling.Post(slot, settlement);
            }

            _untilStopped.Clear();
        }
    }

    /// <summary>They end when nothing is left to do. No more are added.</summary>
    private Task EndWorkers()
    {
        lock (_workers)
        {
            _areWorkersEnding = true;
            return Task.WhenAll(_workers);
        }
    }

    /// <summary>Take no more → running handlers finish → at the deadline they are cancelled → everything is settled. Bounded.</summary>
    private async Task DrainAsync(Task stopping, Task workers, Task settling)
    {
        _status.Set(_queue.Name, QueueState.Draining);
        try
        {
            await stopping.WaitAsync(Grace, _time, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            _logger.ReceiveFailed(_queue.Name, TimeSpan.Zero, e.Message);
        }

        PostWaiting();
        HandBack(_lanes?.Close());
        _work.Writer.TryComplete();
        while (_work.Reader.TryRead(out var unbegun))
        {
            // Workers that hang would never come to it.
            HandBack(unbegun);
        }

        if (!await EndsWithinAsync(workers, _drainTimeout()).ConfigureAwait(false))
        {
            _status.Tell(new DrainTimedOut(_queue.Name, Unsettled()));
            CancelHandlers();
            await EndsWithinAsync(workers, Return).ConfigureAwait(false);
            foreach (var slot in _window.Places)
            {
                if (slot.Abandon() is { } delivery)
                {
                    Post(slot, Settlement.Release(delivery));
                }
            }
        }

        HandBack(_lanes?.TakeRest());
        _settling.Complete();
        if (!await EndsWithinAsync(settling, Grace).ConfigureAwait(false))
        {
            await _abandon.CancelAsync().ConfigureAwait(false);
            await EndsWithinAsync(settling, Grace).ConfigureAwait(false);
        }

        await EndsWithinAsync(_failures.EndAsync(), Grace).ConfigureAwait(false);
        _logger.Drained(_queue.Name, Unsettled());
    }

    private int Unsettled()
    {
        var count = 0;
        foreach (var slot in _window.Places)
        {
            count += slot.Delivery is null ? 0 : 1;
        }

        return count;
    }

    private void CancelHandlers()
    {
        foreach (var slot in _window.Places)
        {
            slot.Cancel();
        }
    }

    private async ValueTask<bool> EndsWithinAsync(Task task, TimeSpan limit)
    {
        using var stop = new CancellationTokenSource();
        var ended = await Task.WhenAny(task, Task.Delay(limit, _time, stop.Token)).ConfigureAwait(false) == task;
        await stop.CancelAsync().ConfigureAwait(false);
        return ended;
    }
}
