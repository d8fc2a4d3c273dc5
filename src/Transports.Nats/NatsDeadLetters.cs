using System.Globalization;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>Looks into queues, and into the streams of dead letters by sequence: one question to the server for each message. What somebody has in hand is shown too.</summary>
internal sealed class NatsDeadLetters(JetStreamApi api, Subjects subjects)
{
    public async ValueTask<long> CountAsync(string queue, CancellationToken cancellationToken)
    {
        var doing = $"count dead letters of '{queue}'";
        var answer = await api.StreamInfoAsync(StreamOf(queue), doing, cancellationToken).ConfigureAwait(false);
        return MessagesOf(Checked(answer, queue, doing));
    }

    /// <summary>
    /// How many messages the queue itself has: what its own stream and that of its levels keep, which is all that is not acked, and what its consumer of the topics' stream has before
    /// it. That may be more than the queue's, where its filter is wider than its patterns (servers before 2.10), until the receiver has passed over it.
    /// </summary>
    public async ValueTask<long> DepthAsync(string queue, CancellationToken cancellationToken)
    {
        Subjects.Check(queue);
        var doing = $"count the messages of '{queue}'";
        // In the direction in which messages go: a retry moves one from the topics' stream to the queue's own.
        var topics = await api.ConsumerInfoAsync(subjects.TopicsStream, Subjects.ConsumerOf(queue), doing, cancellationToken).ConfigureAwait(false);
        var kept = await OwnAsync().ConfigureAwait(false);
        var levels = await api.StreamInfoAsync(subjects.StreamOf(Subjects.LevelsOf(queue)), doing, cancellationToken).ConfigureAwait(false);
        if (levels.ErrorCode != NatsErrors.StreamNotFound)
        {
            // Delays go from there to here and back: what moves is not to be missed.
            kept = Math.Max(kept, await OwnAsync().ConfigureAwait(false)) + MessagesOf(levels.OrThrow(doing, api.Links.Where));
        }

        if (topics.ErrorCode is NatsErrors.ConsumerNotFound or NatsErrors.StreamNotFound)
        {
            return kept; // It has no bindings.
        }

        var before = topics.OrThrow(doing, api.Links.Where).Root;
        return kept + before.GetProperty("num_pending").GetInt64() + before.GetProperty("num_ack_pending").GetInt64();

        async ValueTask<long> OwnAsync() =>
            MessagesOf(Checked(await api.StreamInfoAsync(subjects.StreamOf(queue), doing, cancellationToken).ConfigureAwait(false), queue, doing));
    }

    public async ValueTask<IReadOnlyList<StoredDeadLetter>> ListAsync(string queue, ulong after, int max, CancellationToken cancellationToken)
    {
        var found = new List<StoredDeadLetter>();
        var reader = new EnvelopeReader();
        while (found.Count < max)
        {
            var which = string.Create(
                CultureInfo.InvariantCulture, $$"""{"seq":{{after + 1}},"next_by_subj":"{{subjects.OfQueue(Names.DeadLetterQueue(queue))}}"}""");
            if (await GetAsync(queue, which, reader, cancellationToken).ConfigureAwait(false) is not { } next)
            {
                break;
            }

            after = next.Sequence;
            found.Add(next.Letter);
        }

        return found;
    }

    public async ValueTask<StoredDeadLetter?> FindAsync(string queue, ulong sequence, CancellationToken cancellationToken)
    {
        var which = string.Create(CultureInfo.InvariantCulture, $$"""{"seq":{{sequence}}}""");
        return (await GetAsync(queue, which, new(), cancellationToken).ConfigureAwait(false))?.Letter;
    }

    public async ValueTask<bool> DeleteAsync(string queue, ulong sequence, CancellationToken cancellationToken)
    {
        // Whether there is such a stream is told by looking, not by deleting.
        return await FindAsync(queue, sequence, cancellationToken).ConfigureAwait(false) is not null
            && await api.DeleteMessageAsync(StreamOf(queue), sequence, $"delete a dead letter of '{queue}'", cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<(ulong Sequence, StoredDeadLetter Letter)?> GetAsync(string queue, string which, EnvelopeReader reader, CancellationToken cancellationToken)
    {
        var doing = $"look at dead letters of '{queue}'";
        var answer = await api.GetMessageAsync(StreamOf(queue), which, doing, cancellationToken).ConfigureAwait(false);
        if (answer.ErrorCode is NatsErrors.MessageNotFound or NatsErrors.SequenceNotFound)
        {
            return null;
        }

        var (sequence, envelope) = reader.Read(Checked(answer, queue, doing), StreamOf(queue));
        return (sequence, new(sequence.ToString(CultureInfo.InvariantCulture), envelope));
    }

    private static long MessagesOf(Answer stream) => stream.Root.GetProperty("state").GetProperty("messages").GetInt64();

    private Answer Checked(Answer answer, string queue, string doing) => answer.ErrorCode == NatsErrors.StreamNotFound
        ? throw new TransportException($"There is no queue '{queue}' on NATS at {api.Links.Where}.", TransportError.QueueNotFound)
        : answer.OrThrow(doing, api.Links.Where);

    private string StreamOf(string queue)
    {
        Subjects.Check(queue);
        return subjects.StreamOf(Names.DeadLetterQueue(queue));
    }
}
