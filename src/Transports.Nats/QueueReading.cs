using System.Text.Json;

namespace Postrider.Transports.Nats;

/// <summary>
/// Reads a queue out of all the streams that hold its messages, in the order in which they were stored there: its own, that of its levels, and that of the topics, from
/// where its consumer there has acked everything. Not thread-safe.
/// </summary>
/// <remarks>
/// What is in its own streams is not settled, since an ack removes it. What was handed out may be in hand or wait to be handed out again: the server does not tell. In
/// the topics' stream it may also be settled, and be kept for another queue.
/// </remarks>
internal sealed class QueueReading(string queue, Subjects subjects, string doing)
{
    private readonly List<Part> _parts = [];
    private Bindings _bindings = Bindings.None;

    /// <param name="Tag">Its name in a <see cref="QueuePlace"/>.</param>
    /// <param name="Messages">The stream.</param>
    /// <param name="HandedOut">Up to which sequence messages of a subject were handed out.</param>
    private sealed record Part(char Tag, StoredMessages Messages, Func<string, ulong> HandedOut);

    /// <summary>Asks for what the queue has. Begins behind a place.</summary>
    /// <exception cref="TransportException">The server cannot be asked, or there is no such queue.</exception>
    public async ValueTask BeginAsync(JetStreamApi api, Registry registry, IReadOnlyList<(char Tag, ulong Sequence)> after, CancellationToken cancellationToken)
    {
        var ready = await ConsumerAsync(subjects.StreamOf(queue), Subjects.Ready).ConfigureAwait(false)
            ?? throw new TransportException($"There is no queue '{queue}' on NATS at {api.Links.Where}.", TransportError.QueueNotFound);
        Add(QueuePlace.Own, subjects.StreamOf(queue), [">"], 0, subject => subject == subjects.OfQueue(queue) ? HandedOut(ready) : 0);
        if (await registry.HasLevelsAsync(queue, doing, cancellationToken).ConfigureAwait(false))
        {
            var levels = subjects.StreamOf(Subjects.LevelsOf(queue));
            var handedOut = new Dictionary<string, ulong>(StringComparer.Ordinal);
            foreach (var level in Subjects.Levels)
            {
                handedOut[subjects.OfLevel(queue, level)] =
                    await ConsumerAsync(levels, Subjects.ConsumerOf(level)).ConfigureAwait(false) is { } consumer ? HandedOut(consumer) : 0;
            }

            Add(QueuePlace.Levels, levels, [">"], 0, subject => handedOut.GetValueOrDefault(subject));
        }

        if (await ConsumerAsync(subjects.TopicsStream, Subjects.ConsumerOf(queue)).ConfigureAwait(false) is { } topics)
        {
            _bindings = await registry.GetAsync(queue, doing, cancellationToken).ConfigureAwait(false) ?? Bindings.None;
            var settled = topics.GetProperty("num_ack_pending").GetInt64() == 0 ? HandedOut(topics) : SequenceOf(topics, "ack_floor");
            Add(QueuePlace.Topics, subjects.TopicsStream, Json.FiltersOf(topics.GetProperty("config")), settled, _ => HandedOut(topics));
        }

        void Add(char tag, string stream, string[] filters, ulong from, Func<string, ulong> handedOut) => _parts.Add(new(
            tag, new(api, stream, filters, Math.Max(from, after.FirstOrDefault(one => one.Tag == tag).Sequence), subjects.TopicPrefix), handedOut));

        async ValueTask<JsonElement?> ConsumerAsync(string stream, string name)
        {
            var answer = await api.ConsumerInfoAsync(stream, name, doing, cancellationToken).ConfigureAwait(false);
            return answer.ErrorCode is NatsErrors.ConsumerNotFound or NatsErrors.StreamNotFound ? null : answer.OrThrow(doing, api.Links.Where).Root;
        }
    }

    /// <summary>The next message, or null at the end.</summary>
    public async ValueTask<PendingMessage?> NextAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            (Part Part, StoredMessage Message)? first = null;
            foreach (var part in _parts)
            {
                if (await part.Messages.PeekAsync(doing, cancellationToken).ConfigureAwait(false) is { } next && (first is null || next.StoredAt < first.Value.Message.StoredAt))
                {
                    first = (part, next);
                }
            }

            if (first is null)
            {
                return null;
            }

            first.Value.Part.Messages.Pass(first.Value.Message);
            if (IsOurs(first.Value.Message))
            {
                return Show(first.Value.Part, first.Value.Message, QueuePlace.Write(first.Value.Part.Tag, _parts.Select(static one => (one.Tag, one.Messages.Passed))));
            }
        }
    }

    /// <summary>The message of a place, before which this began, or null if it is gone.</summary>
    public async ValueTask<PendingMessage?> FindAsync((char Tag, ulong Sequence) own, string place, CancellationToken cancellationToken) =>
        _parts.Find(one => one.Tag == own.Tag) is { } part
        && await part.Messages.PeekAsync(doing, cancellationToken).ConfigureAwait(false) is { } message && message.Sequence == own.Sequence && IsOurs(message)
            ? Show(part, message, place)
            : null;

    /// <summary>A filter on the topics may take more than the bindings, and what a level has a copy of is not for the queue itself.</summary>
    private bool IsOurs(StoredMessage message) => !message.Subject.StartsWith(subjects.TopicPrefix, StringComparison.Ordinal)
        || (_bindings.Matches(message.Subject[subjects.TopicPrefix.Length..]) && !message.Read.IsCopiedFor(queue));

    private PendingMessage Show(Part part, StoredMessage message, string place)
    {
        var isNew = message.Sequence > part.HandedOut(message.Subject);
        var (envelope, level) = (message.Read.Envelope, part.Tag == QueuePlace.Levels ? Subjects.LevelOf(message.Subject) : default(int?));
        return new(place, level is null || envelope.Priority is not null ? envelope : envelope with { Priority = level })
        {
            DueAt = message.Subject == subjects.OfDelayed(queue) ? message.StoredAt + message.Read.Delay : null,
            IsInHand = isNew ? false : null,
            Redeliveries = isNew ? message.Read.Counted : null,
        };
    }

    private static ulong HandedOut(JsonElement consumer) => SequenceOf(consumer, "delivered");

    private static ulong SequenceOf(JsonElement consumer, string name) => consumer.GetProperty(name).GetProperty("stream_seq").GetUInt64();
}
