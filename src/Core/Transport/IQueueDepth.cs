namespace Postrider.Core.Transport;

/// <summary>An ability of transports: to tell how much is left in a queue.</summary>
public interface IQueueDepth
{
    /// <summary>
    /// What a queue holds, its dead letters not counted. Nothing is taken from it, and nothing that is consumed is held up. The broker may be behind for a moment.
    /// </summary>
    /// <exception cref="TransportException">The broker cannot be asked, or the queue does not exist.</exception>
    ValueTask<QueueDepth> DepthAsync(string queue, CancellationToken cancellationToken);
}

/// <summary>What a queue holds at one moment.</summary>
/// <param name="Total">
/// All messages: ready, delayed, to be tried again, and handed out. Where the broker does not tell what other processes have in hand, those are not counted
/// (RabbitMQ): they come back to the queue if their process ends.
/// </param>
/// <param name="Ready">How many may be handed out now; null if the broker does not tell.</param>
/// <param name="Unsettled">How many are in the hands of all processes; null if the broker does not tell.</param>
/// <param name="OldestAge">
/// How long the oldest of those that are ready, or in hand where the broker still knows, has been ready: since it was published, fell due, or was put back for
/// another attempt. Zero if there is none; null if the broker does not tell.
/// </param>
public sealed record QueueDepth(long Total, long? Ready, long? Unsettled, TimeSpan? OldestAge)
{
    /// <summary>Of a queue that is on several transports. What one of them does not tell is not known.</summary>
    internal QueueDepth Add(QueueDepth other) => new(
        Total + other.Total, Ready + other.Ready, Unsettled + other.Unsettled,
        OldestAge is { } age && other.OldestAge is { } another ? age > another ? age : another : null);
}
