using System.Globalization;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>Looks into the streams of dead letters by sequence: one question to the server for each message. What somebody has in hand is shown too.</summary>
internal sealed class NatsDeadLetters(JetStreamApi api, Subjects subjects)
{
    public async ValueTask<long> CountAsync(string queue, CancellationToken cancellationToken)
    {
        var doing = $"count dead letters of '{queue}'";
        var answer = await api.StreamInfoAsync(StreamOf(queue), doing, cancellationToken).ConfigureAwait(false);
        return Checked(answer, queue, doing).Root.GetProperty("state").GetProperty("messages").GetInt64();
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

    private Answer Checked(Answer answer, string queue, string doing) => answer.ErrorCode == NatsErrors.StreamNotFound
        ? throw new TransportException($"There is no queue '{queue}' on NATS at {api.Links.Where}.", TransportError.QueueNotFound)
        : answer.OrThrow(doing, api.Links.Where);

    private string StreamOf(string queue)
    {
        Subjects.Check(queue);
        return subjects.StreamOf(Names.DeadLetterQueue(queue));
    }
}
