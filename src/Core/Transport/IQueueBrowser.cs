namespace Postrider.Core.Transport;

/// <summary>An ability of transports: to show what is in a queue without taking it. Whether it is there tells <see cref="TransportCapabilities.Browsing"/>.</summary>
/// <remarks>
/// Thread-safe. A position is the transport's own text: it names a message for as long as that is where it is. Looking changes nothing: no message is hidden from a
/// consumer, and none counts as handed out. Both methods throw a <see cref="TransportException"/> with <see cref="TransportError.QueueNotFound"/> if the queue does
/// not exist.
/// </remarks>
public interface IQueueBrowser
{
    /// <summary>
    /// The messages of a queue in the order in which they came to where they are, at most <paramref name="max"/>: ready, of all levels, delayed, to be tried again,
    /// and in hand. What the broker cannot tell of one is null.
    /// </summary>
    /// <param name="queue">The queue.</param>
    /// <param name="after">Begin behind this position; null: with the first.</param>
    /// <param name="max">At least 1. Fewer come only at the end.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask<IReadOnlyList<PendingMessage>> ListAsync(string queue, string? after, int max, CancellationToken cancellationToken);

    /// <summary>The message at a position, or null if it is gone.</summary>
    ValueTask<PendingMessage?> FindAsync(string queue, string position, CancellationToken cancellationToken);
}

/// <summary>An ability of transports: to remove what waits in a queue.</summary>
public interface IQueueFlush
{
    /// <summary>
    /// Removes for good what is ready in a queue when this begins, of all levels, and however it came there. What a receiver has in hand is left alone, and so are the
    /// dead-letter queue and what other queues have of the same topics. What comes meanwhile may go too. A cancellation leaves the rest.
    /// </summary>
    /// <param name="queue">The queue.</param>
    /// <param name="delayed">Also what is delayed or waits to be tried again.</param>
    /// <param name="cancellationToken">Ends it half-way.</param>
    /// <returns>How many were removed.</returns>
    /// <exception cref="TransportException">The broker cannot be asked, or the queue does not exist.</exception>
    ValueTask<long> FlushAsync(string queue, bool delayed, CancellationToken cancellationToken);
}
