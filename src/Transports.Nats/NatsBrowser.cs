using System.Globalization;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>Looks into queues, and into the streams of dead letters by sequence: one question to the server for each message. What somebody has in hand is shown too.</summary>
internal sealed class NatsBrowser(JetStreamApi api, Subjects subjects, Registry registry)
{
    public async ValueTask<long> CountLettersAsync(string queue, CancellationToken cancellationToken)
    {
        var doing = $"count dead letters of '{queue}'";
        var answer = await api.StreamInfoAsync(StreamOf(queue), doing, cancellationToken).ConfigureAwait(false);
        return MessagesOf(Checked(answer, queue, doing));
    }

    /// <summary>What a queue holds, behind a place.</summary>
    public async ValueTask<IReadOnlyList<PendingMessage>> ListAsync(string queue, string? after, int max, CancellationToken cancellationToken)
    {
        var reading = await ReadAsync(queue, QueuePlace.Read(after), cancellationToken).ConfigureAwait(false);
        var found = new List<PendingMessage>();
        while (found.Count < max && await reading.NextAsync(cancellationToken).ConfigureAwait(false) is { } next)
        {
            found.Add(next);
        }

        return found;
    }

    public async ValueTask<PendingMessage?> FindAsync(string queue, string place, CancellationToken cancellationToken)
    {
        if (QueuePlace.Read(place) is not [{ Sequence: > 0 } own, ..])
        {
            own = (QueuePlace.Own, ulong.MaxValue);
        }

        var reading = await ReadAsync(queue, [own with { Sequence = own.Sequence - 1 }], cancellationToken).ConfigureAwait(false);
        return await reading.FindAsync(own, place, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes what is parked; how many that was.</summary>
    public async ValueTask<long> FlushParkedAsync(string queue, CancellationToken cancellationToken)
    {
        var doing = $"flush '{queue}'";
        var stream = Checked(await api.StreamInfoAsync(subjects.StreamOf(queue), doing, cancellationToken).ConfigureAwait(false), queue, doing);
        var last = stream.Root.GetProperty("state").GetProperty("last_seq").GetUInt64();
        var answer = await api.PurgeAsync(subjects.StreamOf(queue), subjects.OfDelayed(queue), last, doing, cancellationToken).ConfigureAwait(false);
        return answer.OrThrow(doing, api.Links.Where).Root.GetProperty("purged").GetInt64();
    }

    public async ValueTask<IReadOnlyList<StoredDeadLetter>> ListLettersAsync(string queue, ulong after, int max, CancellationToken cancellationToken)
    {
        var found = new List<StoredDeadLetter>();
        var letters = Letters(queue, after);
        while (found.Count < max && await letters.PeekAsync(Looking(queue), cancellationToken).ConfigureAwait(false) is { } next)
        {
            letters.Pass(next);
            found.Add(AsLetter(next));
        }

        return found;
    }

    public async ValueTask<StoredDeadLetter?> FindLetterAsync(string queue, ulong sequence, CancellationToken cancellationToken) =>
        await Letters(queue, sequence - 1).PeekAsync(Looking(queue), cancellationToken).ConfigureAwait(false) is { } found && found.Sequence == sequence ? AsLetter(found) : null;

    public async ValueTask<bool> DeleteLetterAsync(string queue, ulong sequence, CancellationToken cancellationToken)
    {
        // Whether there is such a stream is told by looking, not by deleting.
        return await FindLetterAsync(queue, sequence, cancellationToken).ConfigureAwait(false) is not null
            && await api.DeleteMessageAsync(StreamOf(queue), sequence, $"delete a dead letter of '{queue}'", cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<QueueReading> ReadAsync(string queue, IReadOnlyList<(char Tag, ulong Sequence)> after, CancellationToken cancellationToken)
    {
        Subjects.Check(queue);
        var reading = new QueueReading(queue, subjects, $"look into '{queue}'");
        await reading.BeginAsync(api, registry, after, cancellationToken).ConfigureAwait(false);
        return reading;
    }

    private StoredMessages Letters(string queue, ulong after) => new(api, StreamOf(queue), [subjects.OfQueue(Names.DeadLetterQueue(queue))], after);

    private static StoredDeadLetter AsLetter(StoredMessage message) => new(message.Sequence.ToString(CultureInfo.InvariantCulture), message.Read.Envelope);

    private static string Looking(string queue) => $"look at dead letters of '{queue}'";

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
