namespace Postrider.Core.Transport;

/// <summary>An ability of transports: to tell how much is left in a queue.</summary>
public interface IQueueDepth
{
    /// <summary>
    /// How many messages a queue holds, its dead letters not counted: ready, delayed, to be tried again, and handed out. Where the broker does not tell what
    /// other processes have in hand, those are not counted (RabbitMQ): they come back to the queue if their process ends. The broker may be behind for a moment.
    /// </summary>
    /// <exception cref="TransportException">The broker cannot be asked, or the queue does not exist.</exception>
    ValueTask<long> DepthAsync(string queue, CancellationToken cancellationToken);
}
