using System.Globalization;

namespace Postrider.Transports.Nats;

/// <summary>Reads a stream, or some subjects of it, in its order: one question to the server for each message. Nothing is taken. Not thread-safe.</summary>
/// <param name="api">Whom to ask.</param>
/// <param name="stream">The stream.</param>
/// <param name="filters">What to read, with wildcards or without. They do not overlap.</param>
/// <param name="after">Begin behind this sequence.</param>
/// <param name="topicPrefix">What subjects of topics begin with; null: there are none.</param>
internal sealed class StoredMessages(JetStreamApi api, string stream, string[] filters, ulong after, string? topicPrefix = null)
{
    private readonly EnvelopeReader _reader = new();

    /// <summary>The next of each filter; those that are not known are asked for.</summary>
    private readonly StoredMessage?[] _next = new StoredMessage?[filters.Length];
    private readonly bool[] _known = new bool[filters.Length];

    /// <summary>The last one that was passed, or where it began.</summary>
    public ulong Passed { get; private set; } = after;

    /// <summary>The next message, or null if there is none.</summary>
    public async ValueTask<StoredMessage?> PeekAsync(string doing, CancellationToken cancellationToken)
    {
        StoredMessage? first = null;
        for (var i = 0; i < filters.Length; i++)
        {
            if (!_known[i])
            {
                _next[i] = await GetAsync(filters[i], doing, cancellationToken).ConfigureAwait(false);
                _known[i] = true;
            }

            first = _next[i] is { } next && (first is null || next.Sequence < first.Sequence) ? next : first;
        }

        return first;
    }

    public void Pass(StoredMessage message)
    {
        Passed = message.Sequence;
        for (var i = 0; i < _next.Length; i++)
        {
            _known[i] &= _next[i] != message;
        }
    }

    private async ValueTask<StoredMessage?> GetAsync(string filter, string doing, CancellationToken cancellationToken)
    {
        var which = string.Create(CultureInfo.InvariantCulture, $$"""{"seq":{{Passed + 1}},"next_by_subj":"{{filter}}"}""");
        var answer = await api.GetMessageAsync(stream, which, doing, cancellationToken).ConfigureAwait(false);
        return answer.ErrorCode switch
        {
            NatsErrors.MessageNotFound or NatsErrors.SequenceNotFound => null,
            NatsErrors.StreamNotFound => throw new TransportException($"Cannot {doing} on NATS at {api.Links.Where}: there is no such queue.", TransportError.QueueNotFound),
            _ => _reader.Read(answer.OrThrow(doing, api.Links.Where), stream, topicPrefix),
        };
    }
}

/// <summary>A message of a stream.</summary>
/// <param name="Sequence">Its place.</param>
/// <param name="Subject">Its subject.</param>
/// <param name="StoredAt">When the server stored it, by its clock.</param>
/// <param name="Read">What is in it.</param>
internal sealed record StoredMessage(ulong Sequence, string Subject, DateTimeOffset StoredAt, ReadMessage Read);
