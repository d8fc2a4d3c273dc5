using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;

namespace Postrider.Core.Consuming;

/// <summary>
/// Looks now and then for handlers that have run for too long. Each is told of, and again whenever it has become twice as old. Another worker and another
/// place stand in for it until it returns, so that the queue keeps its pace; for at most as many as may run at once.
/// </summary>
/// <param name="window">Where they run.</param>
/// <param name="queue">The queue.</param>
/// <param name="system">The broker's.</param>
/// <param name="standIn">Starts a worker for one that hangs.</param>
/// <param name="status">Tells the observers of those that hang.</param>
/// <param name="telemetry">Counts those that hang.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">For the lines.</param>
internal sealed class HungWatch(
    PrefetchWindow window, ConsumerQueue queue, string system, Action standIn, TransportStatus status, Telemetry telemetry, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(10);

    private readonly Dictionary<InFlight, Hung> _hung = [];

    /// <summary>The handlers that run now.</summary>
    public IEnumerable<RunningHandler> Running
    {
        get
        {
            foreach (var place in window.Places)
            {
                if (Look(place) is { } running)
                {
                    yield return running.Handler;
                }
            }
        }
    }

    /// <summary>Only if a consumer of the queue says what is too long.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        if (queue.HungAfter is not { } shortest)
        {
            return;
        }

        var pause = shortest / 10;
        using var timer = new PeriodicTimer(pause > LongestPause ? LongestPause : pause < ShortestPause ? ShortestPause : pause, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stop).ConfigureAwait(false))
            {
                ForgetReturned();
                foreach (var place in window.Places)
                {
                    if (place.RunningSince is { } since && time.GetElapsedTime(since) >= shortest && Look(place) is { Handler.IsHung: true } running)
                    {
                        Tell(place, running);
                    }
                }
            }
        }
        finally
        {
            telemetry.Hung(system, queue.Name, -_hung.Count);
        }
    }

    private void ForgetReturned()
    {
        foreach (var (place, hung) in _hung)
        {
            if (place.RunningSince != hung.Since)
            {
                _hung.Remove(place);
                telemetry.Hung(system, queue.Name, -1);
                logger.HungReturned(hung.Handler.Consumer, queue.Name, hung.Handler.MessageId, time.GetElapsedTime(hung.Since));
            }
        }
    }

    private void Tell(InFlight place, (long Since, RunningHandler Handler) running)
    {
        var (since, handler) = running;
        var isKnown = _hung.TryGetValue(place, out var hung);
        var isReplaced = isKnown && hung.IsReplaced;
        if (!isReplaced && !queue.IsProbe && window.Replaced < queue.Concurrency && window.TryReplace(place, since))
        {
            isReplaced = true;
            standIn();
        }

        if (!isKnown)
        {
            telemetry.Hung(system, queue.Name, 1);
            status.Tell(new HandlerHung(handler));
        }

        var isDue = !isKnown || handler.Age >= hung.NextAge;
        _hung[place] = new(since, handler, isReplaced, isDue ? handler.Age * 2 : hung.NextAge);
        if (isDue)
        {
            logger.HandlerHangs(handler.Consumer, queue.Name, handler.MessageId, handler.MessageType, handler.Attempt, handler.Age,
                isReplaced ? "Another worker stands in for it." : "Nothing stands in for it, as too many hang.");
        }
    }

    /// <summary>What runs in a place, which may be another's in the next moment.</summary>
    private (long Since, RunningHandler Handler)? Look(InFlight place)
    {
        if (place.RunningSince is not { } since || place.Delivery is not { } delivery)
        {
            return null;
        }

        var (envelope, attempt) = (place.Envelope ?? delivery.Envelope, place.Attempt);
        if (place.RunningSince != since || place.Delivery != delivery)
        {
            return null;
        }

        var (consumer, age) = (queue.Find(envelope), time.GetElapsedTime(since));
        return (since, new()
        {
            MessageId = envelope.Id,
            MessageType = envelope.Type,
            Queue = queue.Name,
            Consumer = consumer?.Name,
            Attempt = attempt,
            Age = age,
            IsHung = age >= (consumer is null ? queue.HungAfter : consumer.HungAfter),
        });
    }

    private readonly record struct Hung(long Since, RunningHandler Handler, bool IsReplaced, TimeSpan NextAge);
}
