using Postrider.Core.Transport;

namespace Postrider;

/// <summary>Dead letters, on every transport: look, replay, move, discard, export and import. From dependency injection; thread-safe.</summary>
/// <remarks>
/// A queue is named by its own name, not by that of its dead-letter queue; it is looked for on its own transport, or, as <c>billing@rabbit</c>, on the one that is
/// named. All methods throw a <see cref="TransportException"/> if the broker cannot be asked,
/// with <see cref="TransportError.QueueNotFound"/> if there is no such queue, and a <see cref="MessagingConfigurationException"/> if the name is illegal or the
/// transport cannot look into dead-letter queues.
/// </remarks>
public interface IDeadLetters
{
    /// <summary>The queues that this host consumes, those on a transport that is being drained as <c>billing@rabbit</c>. Others can be named too.</summary>
    IReadOnlyList<string> Queues { get; }

    /// <summary>How many dead letters a queue has. A broker may be behind for a moment.</summary>
    ValueTask<long> CountAsync(string queue, CancellationToken cancellationToken = default);

    /// <summary>The dead letters of a queue in the order in which they came, fetched as they are enumerated. They stay.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="filter">Which ones; null: all.</param>
    /// <param name="after">Begin behind this <see cref="DeadLetter.Position"/>; null: with the first.</param>
    /// <param name="cancellationToken">Ends the enumeration.</param>
    IAsyncEnumerable<DeadLetter> ListAsync(string queue, DeadLetterFilter? filter = null, string? after = null, CancellationToken cancellationToken = default);

    /// <summary>The dead letter at a position, or null if it is gone.</summary>
    ValueTask<DeadLetter?> FindAsync(string queue, string position, CancellationToken cancellationToken = default);

    /// <summary>
    /// Sends a dead letter to its queue again, or to another one. It has fresh attempts, no time to live any more, its own id, and two headers that tell where
    /// it came from. To edit it, change the envelope: <c>letter with { Envelope = letter.Envelope with { Body = … } }</c>. It is removed from the dead-letter
    /// queue when the broker has the replay durably: a crash in between leaves both.
    /// </summary>
    /// <returns>False if it is gone: then nothing was sent.</returns>
    /// <exception cref="PublishException">It was not sent, and is still where it was.</exception>
    ValueTask<bool> ReplayAsync(DeadLetter letter, ReplayOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Replays, one after another in their order, those that are there now. What fails again and comes back meanwhile is not replayed twice.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="filter">Which ones; null: all.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Told how many were sent so far, after each: what is known if this ends with an exception.</param>
    /// <param name="cancellationToken">Ends it between two.</param>
    /// <returns>How many.</returns>
    /// <exception cref="PublishException">One was not sent; it and those after it are still where they were.</exception>
    ValueTask<long> ReplayAllAsync(
        string queue, DeadLetterFilter? filter = null, ReplayOptions? options = null, IProgress<long>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Removes a dead letter for good; false if it is gone already.</summary>
    ValueTask<bool> DiscardAsync(DeadLetter letter, CancellationToken cancellationToken = default);

    /// <summary>Removes those that are there now for good, and returns how many. No filter means all of them.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="filter">Which ones; null: all.</param>
    /// <param name="progress">Told how many so far. If this ends with an exception, the last one may still be there.</param>
    /// <param name="cancellationToken">Ends it between two.</param>
    ValueTask<long> DiscardAllAsync(
        string queue, DeadLetterFilter? filter = null, IProgress<long>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Writes them as lines of JSON (NDJSON), one for each, and returns how many. They stay. The stream stays open.</summary>
    ValueTask<long> ExportAsync(string queue, Stream output, DeadLetterFilter? filter = null, CancellationToken cancellationToken = default);

    /// <summary>Reads what <see cref="ExportAsync"/> wrote into the dead-letter queue of a queue, and returns how many there were. The stream stays open.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="input">The lines.</param>
    /// <param name="progress">Told how many were stored so far, after each.</param>
    /// <param name="cancellationToken">Ends it between two.</param>
    /// <exception cref="MalformedMessageException">A line is no dead letter; the text says which. Those before it were imported.</exception>
    /// <exception cref="PublishException">One was not stored; those before it were.</exception>
    ValueTask<long> ImportAsync(string queue, Stream input, IProgress<long>? progress = null, CancellationToken cancellationToken = default);
}

/// <summary>A message in a dead-letter queue.</summary>
/// <param name="Queue">The queue whose dead letter it is, as it was asked for.</param>
/// <param name="Position">Where it is in the dead-letter queue, as the transport names it.</param>
/// <param name="Envelope">The message, with body and headers as they came: its <see cref="Envelope.ContentEncoding"/> is not undone.</param>
public sealed record DeadLetter(string Queue, string Position, Envelope Envelope)
{
    /// <summary>The header of a replayed message that names the dead-letter queue it came from.</summary>
    public const string ReplayedFrom = "postrider-replayed-from";

    /// <summary>The header of a replayed message that tells when it was replayed.</summary>
    public const string ReplayedAt = "postrider-replayed-at";

    /// <summary>Why it is here. A message that somebody else put into the queue says nothing: it counts as rejected.</summary>
    public DeadLetterInfo Info => Envelope.DeadLetter ?? new() { Reason = DeadLetterReason.Rejected, Queue = Queue };
}

/// <summary>Which dead letters: those that meet all that is set.</summary>
public sealed record DeadLetterFilter
{
    /// <summary>The reason code.</summary>
    public DeadLetterReason? Reason { get; init; }

    /// <summary>The full name of the exception's type.</summary>
    public string? ExceptionType { get; init; }

    /// <summary>The stable name of the message's type.</summary>
    public string? MessageType { get; init; }

    /// <summary>The message's id.</summary>
    public string? MessageId { get; init; }

    /// <summary>Dead since this time or later.</summary>
    public DateTimeOffset? From { get; init; }

    /// <summary>Dead before this time.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>Whether it is one of them.</summary>
    public bool Matches(DeadLetter letter)
    {
        ArgumentNullException.ThrowIfNull(letter);
        var info = letter.Info;
        return (Reason is null || Reason == info.Reason)
            && (ExceptionType is null || ExceptionType == info.ExceptionType)
            && (MessageType is null || MessageType == letter.Envelope.Type)
            && (MessageId is null || MessageId == letter.Envelope.Id)
            && (From is null || info.At >= From)
            && (Until is null || info.At < Until);
    }
}

/// <summary>How dead letters are replayed.</summary>
public sealed record ReplayOptions
{
    /// <summary>
    /// Another queue to send them to; null: their own, on the transport that they are on. Naming it moves what is on a transport that is being drained to the new one.
    /// </summary>
    public string? Queue { get; init; }

    /// <summary>How long they stay invisible there.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Replay at most so many a second, at least one a day; null: as fast as the broker takes them.</summary>
    public double? MaxPerSecond { get; init; }
}
