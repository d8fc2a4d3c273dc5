using System.Diagnostics.Metrics;

namespace Postrider.Core.Stats;

/// <summary>The queues as gauges. They are read when somebody collects; what the broker holds comes from the one host that counts the queue.</summary>
internal sealed class QueueGauges : IDisposable
{
    private readonly Meter _meter;

    public QueueGauges(IMeterFactory? meters, MessagingStats stats)
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

        void Add<T>(string name, string? unit, string description, Func<QueueStats, T?> read)
            where T : struct => _meter.CreateObservableGauge(
                name,
                () => stats.Queues().Where(queue => read(queue) is not null)
                    .Select(queue => new Measurement<T>(read(queue)!.Value, new KeyValuePair<string, object?>("messaging.destination.name", queue.Queue))),
                unit, description);
    }

    public void Dispose() => _meter.Dispose();
}
