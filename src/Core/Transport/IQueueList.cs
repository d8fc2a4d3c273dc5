namespace Postrider.Core.Transport;

/// <summary>An ability of transports: to tell which queues there are. Consumers of a pattern need it (<see cref="ConsumerOptions.Queue"/>).</summary>
public interface IQueueList
{
    /// <summary>
    /// The names of the queues that exist now, in no order. Left out are dead-letter queues, queues of answers, and what a transport has beside a queue for itself.
    /// </summary>
    /// <param name="prefix">What their names begin with; empty: all.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="TransportException">The broker cannot be asked.</exception>
    ValueTask<IReadOnlyList<string>> ListQueuesAsync(string prefix, CancellationToken cancellationToken);
}
