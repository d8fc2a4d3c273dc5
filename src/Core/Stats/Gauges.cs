using System.Diagnostics.Metrics;
using Postrider.Core.Hosting;

namespace Postrider.Core.Stats;

/// <summary>The queues and worker pools as gauges. They are read when somebody collects; what the broker holds comes from the one host that counts the queue.</summary>
internal sealed class Gauges : IDisposable
{
    private readonly Meter _meter;

    public Gauges(IMeterFactory? meters, MessagingStats stats, PoolPlan pools)
    {
        _meter = meters?.Create(TelemetryOptions.SourceName) ?? new Meter(TelemetryOptions.SourceName);
        Add("postrider.queue.depth", "{message}", "Messages in a queue, those of its dead-letter queue not counted.", static queue => queue.Depth);
        Add("postrider.queue.ready", "{message}", "Messages of a queue that may be handed out now.", static queue => queue.Ready);
        Add("postrider.queue.unsettled", "{message}", "Messages of a queue that are handed out and not settled.", static queue => queue.Unsettled);
        Add("postrider.queue.oldest_age", "s", "How long the oldest message of a queue has been ready.", static queue => queue.OldestAge?.TotalSeconds);
        Add("postrider.queue.dead_letters", "{message}", "Messages in a queue's dead-letter queue.", static queue => queue.DeadLetters);
        Add<long>("postrider.queue.busy", "{message}", "Messages of a queue that this host is handling.", static queue => queue.Busy);
        Add<long>("postrider.queue.capacity", "{message}", "Messages of a queue that this host may handle at once.", static queue => queue.Capacity);
        Add<long>("postrider.queue.paused", null, "1 while a queue is paused.", static queue => queue.IsPaused ? 1 : 0);
        Add<long>("postrider.queue.circuit", null, "A queue's circuit breaker: 0 closed, 1 half-open, 2 open.", static queue => (long)queue.Circuit);
        AddOfPool("postrider.pool.busy", "{handler}", "Slots of a worker pool that are taken.", static pool => pool.Busy);
        AddOfPool("postrider.pool.capacity", "{handler}", "Slots that a worker pool has.", static pool => pool.Concurrency);
        AddOfPool("postrider.pool.waiting", "{handler}", "Workers that have a message and wait for a slot of their pool.", static pool => pool.Waiting);

        void Add<T>(string name, string? unit, string description, Func<QueueStats, T?> read)
            where T : struct => _meter.CreateObservableGauge(
                name,
                () => stats.Queues().Where(queue => read(queue) is not null)
                    .Select(queue => new Measurement<T>(read(queue)!.Value, new KeyValuePair<string, object?>("messaging.destination.name", queue.Queue))),
                unit, description);

        void AddOfPool(string name, string unit, string description, Func<PoolStatus, int> read) => _meter.CreateObservableGauge(
            name, () => pools.Run.Select(pool => new Measurement<int>(read(pool.Status), new KeyValuePair<string, object?>("postrider.pool", pool.Name))), unit, description);
    }

    public void Dispose() => _meter.Dispose();
}
