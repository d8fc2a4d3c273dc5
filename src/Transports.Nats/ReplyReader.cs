using System.Buffers;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>
/// Reads the answers to one process. They are stored in the stream that has those of all, and the server passes each on to whoever listens to its subject: that is all it takes while
/// the connection lives. What was stored while nobody listened is looked up when the next reader begins, which reads the latest ones once more. The stream forgets what is old,
/// so nothing is left of a process that was killed.
/// </summary>
internal sealed class ReplyReader : IReplyReader
{
    /// <summary>How long an answer is kept for a process whose connection is away.</summary>
    public static readonly TimeSpan LongestStay = TimeSpan.FromMinutes(5);

    /// <summary>How many are kept for one process: so much is looked up after each loss of the connection.</summary>
    public const int MostKept = 1000;

    private const string Doing = "read answers";
    private readonly JetStreamApi _api;
    private readonly Link _link;
    private readonly string _stream;
    private readonly string _subject;
    private readonly Channel<Envelope> _answers = Channel.CreateUnbounded<Envelope>(new() { SingleReader = true });
    private NatsSubBase? _subscription;

    private ReplyReader(JetStreamApi api, Link link, string stream, string subject) => (_api, _link, _stream, _subject) = (api, link, stream, subject);

    /// <param name="api">The server.</param>
    /// <param name="stream">The stream of answers; it exists.</param>
    /// <param name="subject">The subject of this process's.</param>
    /// <param name="log">For what cannot be read.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public static async ValueTask<ReplyReader> OpenAsync(JetStreamApi api, string stream, string subject, ILogger log, CancellationToken cancellationToken)
    {
        var link = await api.Links.GetAsync(Doing, cancellationToken).ConfigureAwait(false);
        var reader = new ReplyReader(api, link, stream, subject);
        try
        {
            await link.SubscribeAsync(connection => reader._subscription = new Inbox(connection, subject, stream, reader._answers.Writer, log), cancellationToken).ConfigureAwait(false);
            // From here on nothing is missed: the server has taken note of the subscription.
            await link.FenceAsync(cancellationToken).ConfigureAwait(false);
            await reader.LookUpAsync(cancellationToken).ConfigureAwait(false);
            return reader;
        }
        catch (Exception e)
        {
            await reader.DisposeAsync().ConfigureAwait(false);
            throw cancellationToken.IsCancellationRequested ? e : api.Links.Failed(e, Doing);
        }
    }

    public async ValueTask<IReadOnlyList<Envelope>> ReadAsync(CancellationToken cancellationToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _link.Ended);
        try
        {
            await _answers.Reader.WaitToReadAsync(end.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw NatsErrors.Lost(Doing, _api.Links.Where);
        }

        var read = new List<Envelope>();
        while (_answers.Reader.TryRead(out var answer))
        {
            read.Add(answer);
        }

        return read;
    }

    public async ValueTask DisposeAsync()
    {
        if (_subscription is { } subscription)
        {
            await _link.UnsubscribeAsync(subscription).ConfigureAwait(false);
        }
    }

    private async ValueTask LookUpAsync(CancellationToken cancellationToken)
    {
        var stored = new StoredMessages(_api, _stream, [_subject], after: 0);
        while (await stored.PeekAsync(Doing, cancellationToken).ConfigureAwait(false) is { } answer)
        {
            stored.Pass(answer);
            _answers.Writer.TryWrite(answer.Read.Envelope);
        }
    }

    /// <summary>Called on the thread that reads the socket.</summary>
    private sealed class Inbox(NatsConnection connection, string subject, string stream, ChannelWriter<Envelope> answers, ILogger log)
        : NatsSubBase(connection, connection.SubscriptionManager, subject, null, null)
    {
        private readonly EnvelopeReader _reader = new();

        protected override ValueTask ReceiveInternalAsync(string subject, string? replyTo, ReadOnlySequence<byte>? headersBuffer, ReadOnlySequence<byte> payloadBuffer)
        {
            try
            {
                var headers = headersBuffer is not { } present ? default : present.IsSingleSegment ? present.FirstSpan : present.ToArray();
                answers.TryWrite(_reader.Read(headers, payloadBuffer.ToArray(), null, new(stream, 1, 0, 0)).Envelope);
            }
            catch (Exception e)
            {
                // Whatever it was, the connection and its other users go on. Whoever waits for it waits in vain.
                log.Unreadable(stream, e);
            }

            return default;
        }

        protected override void TryComplete()
        {
        }
    }
}
