using System.Buffers;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;

namespace Postrider.Transports.Nats;

/// <summary>
/// One connection from its making to its loss. It never reconnects: whoever needs it next makes a new one (<see cref="Links"/>), so that nothing
/// which was written to this one is sent later, behind the back of those who were told that it is lost.
/// </summary>
internal sealed class Link : IAsyncDisposable
{
    private static readonly TimeSpan FlushTimeout = TimeSpan.FromSeconds(2);
    private readonly NatsConnection _connection;
    private readonly Replies _replies;
    private readonly CancellationTokenSource _ended = new();
    private readonly List<NatsSubBase> _subscriptions = [];
    private readonly TimeSpan _timeout;
    private readonly Timer _sweep;
    private readonly ILogger _log;
    private readonly string _where;
    private int _state; // 0 new, 1 open, 2 ended
    private int _disposed;

    private Link(NatsConnection connection, string where, TimeSpan timeout, ILogger log)
    {
        (_connection, _where, _timeout, _log) = (connection, where, timeout, log);
        _replies = new(connection, "_INBOX." + Guid.NewGuid().ToString("N"));
        _sweep = new(static state => ((Link)state!).Sweep(), this, Timeout.Infinite, Timeout.Infinite);
        Ended = _ended.Token;
    }

    public bool IsOpen => Volatile.Read(ref _state) == 1;

    /// <summary>Cancelled when the connection is lost or closed.</summary>
    public CancellationToken Ended { get; }

    public INatsServerInfo Server => _connection.ServerInfo!;

    /// <exception cref="Exception">As the client throws it; nothing is left open.</exception>
    public static async Task<Link> ConnectAsync(NatsOpts options, string where, TimeSpan timeout, ILogger log)
    {
        var connection = new NatsConnection(options);
        var link = new Link(connection, where, timeout, log);
        connection.OnConnectingAsync = target => Volatile.Read(ref link._state) == 0 ? new(target) : throw link.LoseForGood();
        connection.ConnectionDisconnected += (_, _) =>
        {
            link.Lose();
            return default;
        };
        connection.ServerError += (_, told) =>
        {
            if (NatsErrors.SubjectNotAllowed(told.Error) is { } subject)
            {
                link._replies.LoseAbout(subject, NatsErrors.NotAllowed(subject, "go on", where));
            }

            return default;
        };
        try
        {
            await connection.ConnectAsync().ConfigureAwait(false);
            await connection.AddSubAsync(link._replies).ConfigureAwait(false);
            if (Interlocked.CompareExchange(ref link._state, 1, 0) != 0 || connection.ConnectionState != NatsConnectionState.Open)
            {
                throw new NatsException("The connection was lost while it was made.");
            }

            link._sweep.Change(500, 500);
            return link;
        }
        catch
        {
            await link.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>A place to wait for one answer.</summary>
    public ReplySlot Await(IAwaiting awaiting, int item) => _replies.Take(awaiting, item);

    /// <summary>Nothing was asked after all. False if the answer or the loss has been told already.</summary>
    public bool GiveUp(ReplySlot slot, IAwaiting awaiting) => _replies.Return(slot, awaiting);

    /// <summary>
    /// Hands a message to the socket's writer. When it completes, body and headers have been copied and nothing can be taken back;
    /// when it throws, nothing was handed over.
    /// </summary>
    public ValueTask WriteAsync(string subject, ReadOnlyMemory<byte> body, NatsHeaders? headers, string? replyTo, CancellationToken cancellationToken) =>
        _connection.PublishAsync(subject, body, headers, replyTo, Raw.Serializer, null, cancellationToken);

    public async ValueTask SubscribeAsync(Func<NatsConnection, NatsSubBase> make, CancellationToken cancellationToken)
    {
        var subscription = make(_connection);
        lock (_subscriptions)
        {
            // The client itself holds them weakly.
            _subscriptions.Add(subscription);
        }

        await _connection.AddSubAsync(subscription, cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask UnsubscribeAsync(NatsSubBase subscription)
    {
        lock (_subscriptions)
        {
            _subscriptions.Remove(subscription);
        }

        if (IsOpen)
        {
            await subscription.UnsubscribeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>A round trip: everything written before has been taken by the server, everything sent by it before has been read here.</summary>
    public async ValueTask FenceAsync(CancellationToken cancellationToken) =>
        await _connection.PingAsync(cancellationToken).ConfigureAwait(false);

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        if (IsOpen)
        {
            // Acks may still be on their way to the socket.
            using var limit = new CancellationTokenSource(FlushTimeout);
            try
            {
                await FenceAsync(limit.Token).ConfigureAwait(false);
            }
            catch (Exception)
            {
                // It is being closed; the server learns the rest from that.
            }
        }

        Lose();
        await _sweep.DisposeAsync().ConfigureAwait(false);
        await _connection.DisposeAsync().ConfigureAwait(false);
    }

    private NatsException LoseForGood()
    {
        Lose();
        return new NatsException("This connection is not made again.");
    }

    private void Lose()
    {
        if (Interlocked.Exchange(ref _state, 2) == 2)
        {
            return;
        }

        _replies.LoseAll(NatsErrors.Lost("go on", _where));
        // Not here: this may be the client's own loop.
        _ = Task.Run(EndAsync);
    }

    private async Task EndAsync()
    {
        try
        {
            await _ended.CancelAsync().ConfigureAwait(false);
            await DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception error)
        {
            _log.CloseFailed(_where, error);
        }
    }

    private void Sweep() =>
        _replies.LoseBefore(Environment.TickCount64 - (long)_timeout.TotalMilliseconds, NatsErrors.TimedOut("go on", _where));

    private sealed class Raw : INatsSerialize<ReadOnlyMemory<byte>>
    {
        public static readonly Raw Serializer = new();

        public void Serialize(IBufferWriter<byte> bufferWriter, ReadOnlyMemory<byte> value)
        {
            if (!value.IsEmpty)
            {
                bufferWriter.Write(value.Span);
            }
        }
    }
}
