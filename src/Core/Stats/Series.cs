using Postrider.Core.Publishing;

namespace Postrider.Core.Stats;

/// <summary>The counters of one consumer of a queue with what they were before. Not thread-safe.</summary>
internal sealed class HandlingSeries(string queue, string? consumer, string? type, HandlingCounters counters, TimeProvider time)
{
    private const int Handled = 0, Failed = 1, Retried = 2, DeadLettered = 3;

    private readonly RollingCounts _counts = new(DeadLettered + 1, time);
    private readonly RollingDurations _handling = new(counters.ReadHandling);
    private readonly RollingDurations _waiting = new(counters.ReadWaiting);

    public void Tick(long at)
    {
        var counts = counters.Read();
        _counts.Add([counts.Handled, counts.Failed, counts.Retried, counts.DeadLettered], at);
    }

    public void TurnMinute()
    {
        _handling.Turn();
        _waiting.Turn();
    }

    public void TurnHour() => counters.Slowest.Turn();

    public HandlingStats Read() => new()
    {
        Queue = queue,
        Consumer = consumer,
        Type = type,
        Counts = counters.Read(),
        HandledRate = _counts.Read(Handled),
        FailedRate = _counts.Read(Failed),
        RetriedRate = _counts.Read(Retried),
        DeadLetteredRate = _counts.Read(DeadLettered),
        Handling = _handling.Read(),
        Waiting = _waiting.Read(),
    };

    public IEnumerable<SlowRun> ReadSlowest(StatsClock clock) => counters.Slowest.Read().Select(run => new SlowRun(
        queue, consumer, run.MessageId, run.Attempt, run.Outcome, TimeSpan.FromTicks(run.Nanoseconds / TimeSpan.NanosecondsPerTick), clock.TimeOf(run.Ended)));
}

/// <summary>The counters of a publisher with what they were before. Not thread-safe.</summary>
internal sealed class PublishSeries(Publisher publisher, TimeProvider time)
{
    private readonly Dictionary<int, RollingCounts> _byType = [];
    private long _lastTick = time.GetTimestamp();

    public void Tick(long at)
    {
        foreach (var (number, stats) in publisher.Counters.Read())
        {
            if (!_byType.TryGetValue(number, out var counts))
            {
                // Nothing was published of it until the tick before.
                _byType[number] = counts = new(1, time);
                counts.Add([0], _lastTick);
            }

            counts.Add([stats.Stored], at);
        }

        _lastTick = at;
    }

    public IEnumerable<PublishStats> Read() => publisher.Counters.Read().Select(
        one => one.Value with { StoredRate = _byType.TryGetValue(one.Key, out var counts) ? counts.Read(0) : default });
}
