using System.Buffers;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>
/// Reads the answers to one process from the stream that has those of all. A consumer without acks pushes them; it ends with the connection, and the next one begins
/// behind what was read. The stream forgets what is old, so nothing is left of a process that was killed.
/// </summary>
internal sealed class ReplyReader : IReplyReader, IPullSink
{
    /// <summary>The server gives a sign of life so often. A consumer that is lost while the connection lives gives none.</summary>
    public static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(5);

    /// <summary>How long an answer is kept for a process whose connection is away.</summary>
    public static readonly TimeSpan LongestStay = TimeSpan.FromMinutes(5);

    private const string Doing = "read answers";
    private static readonly TimeSpan LongestSilence = Heartbeat * 3;

    private readonly string _stream;
    private readonly string _where;
    private readonly Link _link;
    private readonly EnvelopeReader _reader = new();
    private readonly Channel<(Envelope Answer, ulong Sequence)> _answers = Channel.CreateUnbounded<(Envelope, ulong)>(new() { SingleReader = true });
    private readonly Action<ulong> _read;
    private NatsSubBase? _subscription;
    private long _heard = Environment.TickCount64;

    private ReplyReader(Link link, string stream, string where, Action<ulong> read) => (_link, _stream, _where, _read) = (link, stream, where, read);

    /// <param name="api">The server.</param>
    /// <param name="stream">The stream of answers; it exists.</param>
    /// <param name="subject">The subject of this process's.</param>
    /// <param name="after">What was read before.</param>
    /// <param name="read">Is told how far it is read.</param>
    /// <param name="log">For what cannot be read.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public static async ValueTask<ReplyReader> OpenAsync(
        JetStreamApi api, string stream, string subject, ulong after, Action<ulong> read, ILogger log, CancellationToken cancellationToken)
    {
        var link = await api.Links.GetAsync(Doing, cancellationToken).ConfigureAwait(false);
        var inbox = "_INBOX." + Guid.NewGuid().ToString("N");
        var reader = new ReplyReader(link, stream, api.Links.Where, read);
        try
        {
            await link.SubscribeAsync(connection => reader._subscription = new PullInbox(connection, inbox, reader, stream, log), cancellationToken).ConfigureAwait(false);
            var answer = await api.CreateConsumerAsync(
                stream, Json.PushConsumer(stream, subject, inbox + ".a", after + 1, Heartbeat), Doing, cancellationToken).ConfigureAwait(false);
            answer.OrThrow(Doing, api.Links.Where);
            return reader;
        }
        catch
        {
            await reader.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public async ValueTask<IReadOnlyList<Envelope>> ReadAsync(CancellationToken cancellationToken)
    {
        while (!_answers.Reader.TryPeek(out _))
        {
            using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _link.Ended);
            end.CancelAfter(LongestSilence);
            try
            {
                await _answers.Reader.WaitToReadAsync(end.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (_link.Ended.IsCancellationRequested)
                {
                    throw NatsErrors.Lost(Doing, _where);
                }

                if (Environment.TickCount64 - Volatile.Read(ref _heard) > LongestSilence.TotalMilliseconds)
                {
                    throw NatsErrors.TimedOut(Doing, _where);
                }
            }
        }

        var read = new List<Envelope>();
        while (_answers.Reader.TryRead(out var one))
        {
            read.Add(one.Answer);
            _read(one.Sequence);
        }

        return read;
    }

    public async ValueTask DisposeAsync()
    {
        if (_subscription is { } subscription)
        {
            // The server deletes the consumer when nobody listens any more.
            await _link.UnsubscribeAsync(subscription).ConfigureAwait(false);
        }
    }

    void IPullSink.Take(string subject, string ackSubject, ReadOnlySpan<byte> headers, in ReadOnlySequence<byte> body)
    {
        Volatile.Write(ref _heard, Environment.TickCount64);
        if (Position.TryParse(ackSubject, _stream, out var position))
        {
            _answers.Writer.TryWrite((_reader.Read(headers, body.ToArray(), null, position).Envelope, position.Sequence));
        }
    }

    void IPullSink.Hear(ReadOnlySpan<char> pull, int code, ReadOnlySpan<byte> headers) => Volatile.Write(ref _heard, Environment.TickCount64);
}
