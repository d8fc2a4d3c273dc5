using System.Diagnostics.Metrics;

namespace Postrider.Core.Stats;

/// <summary>The queues as gauges. They are read when somebody collects; depth and dead letters come from the one host that counts the queue.</summary>
internal sealed class QueueGauges : IDisposable
{
    private readonly Meter _meter;

    public QueueGauges(IMeterFactory? meters, MessagingStats stats)
    {
        _meter = meters?.Create(TelemetryOptions.SourceName) ?? new Meter(TelemetryOptions.SourceName);
        Add("postrider.queue.depth", "{message}", "Messages in a queue, those of its dead-letter queue not counted.", static queue => queue.Depth);
        Add("postrider.queue.dead_letters", "{message}", "Messages in a queue's dead-letter queue.", static queue => queue.DeadLetters);
        Add("postrider.queue.busy", "{message}", "Messages of a queue that this host is handling.", static queue => queue.Busy);
        Add("postrider.queue.capacity", "{message}", "Messages of a queue that this host may handle at once.", static queue => queue.Capacity);

        void Add(string name, string unit, string description, Func<QueueStats, long?> read) => _meter.CreateObservableGauge(
            name,
            () => stats.Queues().Where(queue => read(queue) is not null)
                .Select(queue => new Measurement<long>(read(queue)!.Value, new KeyValuePair<string, object?>("messaging.destination.name", queue.Queue))),
            unit, description);
    }

    public void Dispose() => _meter.Dispose();
}
