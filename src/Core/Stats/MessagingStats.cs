using Postrider.Core.Consuming;
using Postrider.Core.FlowControl;
using Postrider.Core.Hosting;
using Postrider.Core.Supervision;

namespace Postrider.Core.Stats;

/// <summary>The numbers of this host. What counts is with the consumers and publishers; this reads it, and keeps what it was before.</summary>
internal sealed class MessagingStats : IMessagingStats
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<ConsumerQueue, HandlingSeries[]> _handling = new(ReferenceEqualityComparer.Instance);
    private readonly PublishSeries[] _publishing;
    private readonly TransportSet _transports;
    private readonly HostIdentity _self;
    private readonly QueuePoll _poll;
    private readonly StatsShare _share;
    private readonly MinuteRows _minutes;
    private readonly QueueMarks _marks;
    private readonly IQueueControl _control;
    private readonly TimeProvider _time;
    private readonly StatsClock _clock;
    private long _minute;
    private long _hour;

    public MessagingStats(TransportSet transports, HostIdentity self, QueuePoll poll, StatsShare share, MinuteRows minutes, QueueMarks marks, IQueueControl control, TimeProvider time)
    {
        (_transports, _self, _poll, _share, _minutes, _marks, _control) = (transports, self, poll, share, minutes, marks, control);
        (_time, _clock, _minute, _hour) = (time, new(time), time.GetTimestamp(), time.GetTimestamp());
        _publishing = [.. transports.All.Select(one => new PublishSeries(one.Publisher, time))];
        Tick();
    }

    /// <summary>Called every <see cref="RollingCounts.Tick"/>.</summary>
    public void Tick()
    {
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            var minuteIsOver = IsOver(ref _minute, Minute, now);
            var hourIsOver = IsOver(ref _hour, Hour, now);
            Array.ForEach(_publishing, one => one.Tick(now));
            foreach (var one in Handling())
            {
                one.Tick(now);
                if (minuteIsOver)
                {
                    one.TurnMinute();
                }

                if (hourIsOver)
                {
                    one.TurnHour();
                }
            }
        }
    }

    public StatsSnapshot GetOwn()
    {
        lock (_lock)
        {
            return StatsSnapshot.Merge([new()
            {
                At = _time.GetUtcNow(),
                Processes = [new(_self.Id, _self.Name, _self.Host, _self.ProcessId, _self.StartedAt, _self.Version)],
                Handling = [.. Handling().Select(static one => one.Read())],
                Publishing = [.. _publishing.SelectMany(static one => one.Read())],
                Queues = [.. Queues()],
                Slowest = [.. Handling().SelectMany(one => one.ReadSlowest(_clock))],
            }]);
        }
    }

    /// <summary>Each once, though it may be consumed on several transports.</summary>
    public IEnumerable<QueueStats> Queues() => AllQueues.GroupBy(static queue => queue.Name, (name, same) =>
    {
        var count = _poll.Find(name);
        return new QueueStats
        {
            Queue = name,
            Hosts = 1,
            Busy = same.Sum(static queue => queue.Busy),
            Capacity = same.Sum(static queue => queue.Concurrency),
            Depth = count?.Depth.Total,
            Ready = count?.Depth.Ready,
            Unsettled = count?.Depth.Unsettled,
            OldestAge = count?.Depth.OldestAge,
            DeadLetters = count?.DeadLetters,
            CountedAt = count?.At,
            IsPaused = _marks.IsPaused(name),
            Circuit = _marks.CircuitOf(name),
        };
    });

    public async ValueTask<StatsSnapshot> GetAllAsync(CancellationToken cancellationToken)
    {
        var all = StatsSnapshot.Merge(await GetEachAsync(cancellationToken).ConfigureAwait(false));
        if (!_share.IsPossible)
        {
            return all;
        }

        // Others knew it some seconds ago, or not at all.
        var paused = await _control.GetPausedAsync(cancellationToken).ConfigureAwait(false);
        var circuits = await _control.GetOpenCircuitsAsync(cancellationToken).ConfigureAwait(false);
        return all with
        {
            Queues =
            [
                .. all.Queues.Select(queue => queue with
                {
                    IsPaused = paused.Any(one => one.Queue == queue.Queue),
                    Circuit = circuits.FirstOrDefault(one => one.Queue == queue.Queue) is not { } circuit ? CircuitState.Closed
                        : circuit.IsHalfOpen ? CircuitState.HalfOpen : CircuitState.Open,
                }),
            ],
        };
    }

    public ValueTask<IReadOnlyList<MinuteStats>> GetMinutesAsync(string queue, DateTimeOffset since, DateTimeOffset until, CancellationToken cancellationToken) =>
        _minutes.ReadAsync(queue, since, until, cancellationToken);

    /// <summary>Writes the minute that is over, of each queue that this host counts.</summary>
    /// <exception cref="StateStoreException">The state store cannot be asked.</exception>
    public async ValueTask WriteMinutesAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<StatsSnapshot>? hosts = null;
        foreach (var (queue, count) in _poll.All)
        {
            hosts ??= await GetEachAsync(cancellationToken).ConfigureAwait(false);
            await _minutes.WriteAsync(queue, count.Depth.Total, hosts, cancellationToken).ConfigureAwait(false);
        }
    }

    private IEnumerable<ConsumerQueue> AllQueues => _transports.All.SelectMany(static one => one.Queues);

    /// <summary>Of the queues that there are now: what was counted of one that is gone goes with it.</summary>
    private IEnumerable<HandlingSeries> Handling()
    {
        var queues = AllQueues.ToHashSet<ConsumerQueue>(ReferenceEqualityComparer.Instance);
        foreach (var gone in _handling.Keys.Where(queue => !queues.Contains(queue)).ToList())
        {
            _handling.Remove(gone);
        }

        foreach (var queue in queues.Where(queue => !_handling.ContainsKey(queue)))
        {
            _handling.Add(queue,
            [
                .. queue.Consumers.Select(one => new HandlingSeries(queue.Name, one.Name, one.MessageType, one.Counters, _time)),
                new(queue.Name, null, null, queue.Unclaimed, _time),
            ]);
        }

        return _handling.Values.SelectMany(static series => series);
    }

    private async ValueTask<IReadOnlyList<StatsSnapshot>> GetEachAsync(CancellationToken cancellationToken) =>
        [GetOwn(), .. await _share.ReadOthersAsync(cancellationToken).ConfigureAwait(false)];

    private bool IsOver(ref long since, TimeSpan period, long now)
    {
        if (_time.GetElapsedTime(since, now) < period)
        {
            return false;
        }

        since = now;
        return true;
    }
}
