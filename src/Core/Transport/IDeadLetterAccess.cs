namespace Postrider.Core.Transport;

/// <summary>Looks into dead-letter queues without consuming, and takes single messages out. A transport that can has it as a second interface.</summary>
/// <remarks>
/// Thread-safe. A position is the transport's own text: it names a message for as long as that is in the queue. What a consumer of the dead-letter queue has
/// in hand may be left out. All methods throw a <see cref="TransportException"/> with <see cref="TransportError.QueueNotFound"/> if the queue does not exist.
/// </remarks>
public interface IDeadLetterAccess
{
    /// <summary>How many messages the dead-letter queue of a queue holds. A broker may be behind for a moment.</summary>
    ValueTask<long> CountAsync(string queue, CancellationToken cancellationToken);

    /// <summary>The messages in the order in which they came, at most <paramref name="max"/>. They stay, and nobody else misses them for longer than this takes.</summary>
    /// <param name="queue">The queue whose dead letters they are.</param>
    /// <param name="after">Begin behind this position; null: with the first.</param>
    /// <param name="max">At least 1. Fewer come only at the end.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask<IReadOnlyList<StoredDeadLetter>> ListAsync(string queue, string? after, int max, CancellationToken cancellationToken);

    /// <summary>The message at a position, or null if it is gone.</summary>
    ValueTask<StoredDeadLetter?> FindAsync(string queue, string position, CancellationToken cancellationToken);

    /// <summary>Removes the message at a position for good; false if it is gone already.</summary>
    ValueTask<bool> DeleteAsync(string queue, string position, CancellationToken cancellationToken);

    /// <summary>
    /// Goes once through those that are there when it begins, in the order in which they came, and removes each that <paramref name="remove"/> says true of, after
    /// it said so. What comes meanwhile is left alone.
    /// </summary>
    /// <param name="queue">The queue.</param>
    /// <param name="remove">Called for one after another. What it throws ends the visit; the others stay.</param>
    /// <param name="cancellationToken">Ends the visit between two.</param>
    /// <returns>How many were removed.</returns>
    async ValueTask<long> VisitAsync(string queue, Func<StoredDeadLetter, ValueTask<bool>> remove, CancellationToken cancellationToken)
    {
        const int page = 100;
        ArgumentNullException.ThrowIfNull(remove);
        var left = await CountAsync(queue, cancellationToken).ConfigureAwait(false);
        var removed = 0L;
        string? after = null;
        while (left > 0 && await ListAsync(queue, after, (int)Math.Min(page, left), cancellationToken).ConfigureAwait(false) is { Count: > 0 } letters)
        {
            foreach (var letter in letters)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (await remove(letter).ConfigureAwait(false) && await DeleteAsync(queue, letter.Position, CancellationToken.None).ConfigureAwait(false))
                {
                    removed++;
                }
            }

            left -= letters.Count;
            after = letters[^1].Position;
        }

        return removed;
    }
}

/// <summary>A message in a dead-letter queue.</summary>
/// <param name="Position">Where it is.</param>
/// <param name="Envelope">The message. Its body stays valid.</param>
public sealed record StoredDeadLetter(string Position, Envelope Envelope);
