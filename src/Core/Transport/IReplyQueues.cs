namespace Postrider.Core.Transport;

/// <summary>
/// A transport with queues for answers (see <see cref="TransportCapabilities.RequestReply"/>). Such a queue has a name of its own form (<see cref="Names.IsReplyQueue"/>),
/// no dead letters and one reader; messages come to it by <see cref="ITransport.PublishAsync"/>, as to any queue.
/// </summary>
public interface IReplyQueues
{
    /// <summary>Makes a queue for answers exist, unless it does, and begins to read it.</summary>
    /// <remarks>
    /// It outlives the connection and the reader for some minutes, so that answers which come meanwhile are read by the next one. Then it vanishes with what it
    /// holds and without anybody's doing, also when the process was killed.
    /// </remarks>
    /// <exception cref="TransportException">The broker cannot be reached, or refuses it.</exception>
    ValueTask<IReplyReader> OpenReplyQueueAsync(string queue, CancellationToken cancellationToken);
}

/// <summary>Reads a queue for answers. One call at a time; the caller disposes of it.</summary>
public interface IReplyReader : IAsyncDisposable
{
    /// <summary>
    /// Waits until at least one message is there and returns what there is. It is settled by that: a message may be lost with this process, and come twice where the
    /// connection broke. Envelopes and bodies are the caller's.
    /// </summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="TransportException">Reading is over. Open the queue again, after a pause.</exception>
    ValueTask<IReadOnlyList<Envelope>> ReadAsync(CancellationToken cancellationToken);
}
