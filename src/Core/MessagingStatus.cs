using Postrider.Core.Consuming;

namespace Postrider;

/// <summary>What the messaging host is doing. Thread-safe; one per host, from dependency injection.</summary>
public sealed class MessagingStatus
{
    private readonly TransportStatus[] _all;

    private readonly IReadOnlyList<WorkerPool> _pools;

    internal MessagingStatus(IEnumerable<TransportStatus> transports, IReadOnlyList<WorkerPool> pools)
    {
        _pools = pools;
        _all = [.. transports];
        Transports = _all.ToDictionary(static one => one.Name, StringComparer.OrdinalIgnoreCase);
        Ready = _all.Length == 1 ? _all[0].Ready : Task.WhenAll(_all.Select(static one => one.Ready));
    }

    /// <summary>
    /// Completes when each broker was reached and the topology is declared. Fails with the error that stops the host, or for which one of several transports
    /// was given up.
    /// </summary>
    public Task Ready { get; }

    /// <summary>Each transport by its name; most hosts have one.</summary>
    public IReadOnlyDictionary<string, TransportStatus> Transports { get; }

    /// <summary>The last error of a connection, while there is one.</summary>
    public TransportException? Error => Array.Find(_all, static one => one.Error is not null)?.Error;

    /// <summary>The state of each consumed queue. One that is consumed on several transports, as while one is drained, counts as on the first of them.</summary>
    public IReadOnlyDictionary<string, QueueState> Queues
    {
        get
        {
            if (_all.Length == 1)
            {
                return _all[0].Queues;
            }

            var queues = new Dictionary<string, QueueState>(StringComparer.Ordinal);
            foreach (var (queue, state) in _all.SelectMany(static one => one.Queues))
            {
                queues.TryAdd(queue, state);
            }

            return queues;
        }
    }

    /// <summary>Each worker pool by its name; most hosts have none.</summary>
    public IReadOnlyDictionary<string, PoolStatus> Pools => _pools.ToDictionary(static pool => pool.Name, static pool => pool.Status, StringComparer.OrdinalIgnoreCase);

    /// <summary>The handlers that run now, the oldest first. Taking it costs a look at each place of every window: for dashboards and health, not for each message.</summary>
    public IReadOnlyList<RunningHandler> Running => [.. _all.SelectMany(static one => one.Running).OrderByDescending(static one => one.Age)];

    /// <summary>Each broker is reached and every queue is being received from.</summary>
    public bool IsHealthy => Array.TrueForAll(_all, static one => one.IsHealthy);

    /// <summary>A line for each transport, for people.</summary>
    public override string ToString() => string.Join(Environment.NewLine, _all.AsEnumerable());
}

/// <summary>The state of a consumed queue.</summary>
public enum QueueState
{
    /// <summary>Waiting for the broker for the first time.</summary>
    Starting,

    /// <summary>Deliveries are taken.</summary>
    Receiving,

    /// <summary>The broker is away; trying again.</summary>
    Reconnecting,

    /// <summary>
    /// Nothing is taken: the queue is paused (<see cref="IQueueControl"/>), its circuit breaker is open, or a message whose attempts are used up stopped it
    /// (<see cref="ExhaustedMessage.Stop"/>).
    /// </summary>
    Paused,

    /// <summary>Ready to receive, but it is another process's turn (<see cref="ConsumerOptions.SingleActive"/>, <see cref="ConsumerOptions.ConsumerPriority"/>).</summary>
    Standby,

    /// <summary>Taking no more; running handlers finish. Before the end, before a pause, and before a receiver that broke is replaced.</summary>
    Draining,

    /// <summary>Stopped.</summary>
    Stopped,

    /// <summary>Given up until the host starts again: something is wrong that waiting cannot help, such as credentials that are refused (<see cref="TransportStatus.Error"/>).</summary>
    Faulted,
}
