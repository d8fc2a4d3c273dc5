using System.Buffers;
using System.Globalization;
using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>
/// Moves a queue's delayed messages to where they are ready. They are parked on a subject of their own; each is taken up once, given back for the rest
/// of its delay, which the server times, and when it comes again and is due, stored as ready and acked.
/// </summary>
/// <remarks>
/// The server's timer is not trusted: after a crash it may fire early. What a process has in hand when it stops it gives back; what it has when it is killed, or is on
/// its way to it when it stops, is taken up by another after a second. A copy made twice has the same id, so the server keeps one.
/// </remarks>
internal sealed class DelayPump(JetStreamApi api, Subjects subjects, NatsPublisher publisher, ServerClock clock, ReadySubjects ready, string queue, ILogger log) : IPullSink, IAsyncDisposable
{
    private const int Batch = 256;
    private static readonly TimeSpan PullExpiry = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <summary>So little is waited for here: giving it back would cost more.</summary>
    private static readonly TimeSpan AlmostDue = TimeSpan.FromMilliseconds(20);

    private readonly string _stream = subjects.StreamOf(queue);
    private readonly string _doing = $"move delayed messages of '{queue}'";
    private readonly EnvelopeReader _reader = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<Parked> _taken = Channel.CreateUnbounded<Parked>(new() { SingleReader = true });
    private readonly List<Parked> _due = [];
    private volatile PullSource? _source;
    private int _outstanding;
    private Task _running = Task.CompletedTask;
    private int _disposed;

    private readonly record struct Parked(Envelope Envelope, Position Position, TimeSpan Delay, string AckSubject);

    public void Start() => _running = Task.Run(RunAsync);

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return;
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    void IPullSink.Take(string subject, string ackSubject, ReadOnlySpan<byte> headers, in ReadOnlySequence<byte> body)
    {
        if (Position.TryParse(ackSubject, _stream, out var position))
        {
            var read = _reader.Read(headers, body.ToArray(), null, position);
            Interlocked.Decrement(ref _outstanding);
            _taken.Writer.TryWrite(new(read.Envelope, position, read.Delay, ackSubject));
        }
    }

    void IPullSink.Hear(ReadOnlySpan<char> pull, int code, ReadOnlySpan<byte> headers)
    {
        // Whatever it is, a new pull is needed; a consumer that is gone fails it, and a message that is larger than a pull makes the next one larger.
        _source?.Ended(headers, inTime: code == 408);
        Volatile.Write(ref _outstanding, 0);
        _taken.Writer.TryWrite(default);
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var link = await api.Links.GetAsync(_doing, _stop.Token).ConfigureAwait(false);
                using var ended = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, link.Ended);
                await PumpAsync(link, ended.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                if (e is not OperationCanceledException)
                {
                    log.ParkedFailed(queue, e.Message);
                }

                await Task.Delay(Pause, TimeProvider.System, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task PumpAsync(Link link, CancellationToken ended)
    {
        PullInbox? inbox = null;
        var reply = "_INBOX." + Guid.NewGuid().ToString("N");
        while (_taken.Reader.TryRead(out _))
        {
            // Of an earlier connection: they come again.
        }

        Volatile.Write(ref _outstanding, 0);
        await link.SubscribeAsync(connection => inbox = new PullInbox(connection, reply, this, queue, log), ended).ConfigureAwait(false);
        try
        {
            var source = _source = new(_stream, Subjects.Parked, reply, 'd', default);
            while (true)
            {
                if (Volatile.Read(ref _outstanding) < Batch / 2)
                {
                    Interlocked.Add(ref _outstanding, Batch);
                    await source.SendAsync(link, Batch, PullExpiry, ended).ConfigureAwait(false);
                }

                // The server tells the end of a pull, so something comes. If it should not, we ask again.
                using var late = CancellationTokenSource.CreateLinkedTokenSource(ended);
                late.CancelAfter(PullExpiry * 1.2);
                try
                {
                    await _taken.Reader.WaitToReadAsync(late.Token).ConfigureAwait(false);
                }
                catch (OperationCanceledException) when (!ended.IsCancellationRequested)
                {
                    Volatile.Write(ref _outstanding, 0);
                    continue;
                }

                await MoveAsync(link, ended).ConfigureAwait(false);
            }
        }
        finally
        {
            await link.UnsubscribeAsync(inbox!).ConfigureAwait(false);
            while (_taken.Reader.TryRead(out var one))
            {
                _due.Add(one);
            }

            await GiveBackAsync(link).ConfigureAwait(false);
        }
    }

    private async ValueTask MoveAsync(Link link, CancellationToken ended)
    {
        var wait = TimeSpan.Zero;
        await clock.RefreshAsync(ended).ConfigureAwait(false);
        while (_due.Count < Batch && _taken.Reader.TryRead(out var one))
        {
            if (one.AckSubject is null)
            {
                continue;
            }

            var left = clock.Left(one.Delay, one.Position.StoredAt);
            if (left > AlmostDue)
            {
                var nak = string.Create(CultureInfo.InvariantCulture, $$"""-NAK {"delay":{{left.Ticks * 100}}}""");
                await link.WriteAsync(one.AckSubject, Encoding.ASCII.GetBytes(nak), null, null, CancellationToken.None).ConfigureAwait(false);
                continue;
            }

            wait = left > wait ? left : wait;
            _due.Add(one);
        }

        if (_due.Count == 0)
        {
            return;
        }

        if (wait > TimeSpan.Zero)
        {
            await Task.Delay(wait + TimeSpan.FromMilliseconds(1), TimeProvider.System, ended).ConfigureAwait(false);
        }

        await ForwardAsync(link, ended).ConfigureAwait(false);
    }

    private async ValueTask GiveBackAsync(Link link)
    {
        foreach (var one in _due)
        {
            if (one.AckSubject is not null && link.IsOpen)
            {
                await link.WriteAsync(one.AckSubject, NatsSettler.Nak, null, null, CancellationToken.None).ConfigureAwait(false);
            }
        }

        _due.Clear();
    }

    private async ValueTask ForwardAsync(Link link, CancellationToken ended)
    {
        var stored = new PublishResult[_due.Count];
        var call = publisher.Begin();
        for (var i = 0; i < stored.Length; i++)
        {
            var (envelope, position, _, _) = _due[i];
            var id = string.Create(CultureInfo.InvariantCulture, $"due:{position.Stream}:{position.Sequence}:{position.StoredAt}");
            call.Add(new(ready.Of(envelope), envelope, id, DestinationKind.Queue, i));
        }

        await publisher.SendAsync(call, stored, ended).ConfigureAwait(false);
        for (var i = 0; i < stored.Length; i++)
        {
            if (stored[i].Status is PublishStatus.Stored or PublishStatus.Duplicate)
            {
                await link.WriteAsync(_due[i].AckSubject, default, null, null, CancellationToken.None).ConfigureAwait(false);
            }
            else if (!ended.IsCancellationRequested)
            {
                log.ParkedFailed(queue, stored[i].Error?.Message ?? stored[i].Status.ToString());
            }
            else if (link.IsOpen)
            {
                await link.WriteAsync(_due[i].AckSubject, NatsSettler.Nak, null, null, CancellationToken.None).ConfigureAwait(false);
            }
        }

        _due.Clear();
    }
}
