using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Postrider.Transports.Pgmq.Tests.State;

/// <summary>A wire to a server without TLS. It can go dead without a word, as when a cable is cut, or lose notifications, as poolers in transaction mode do.</summary>
internal sealed class Wire : IAsyncDisposable
{
    private const byte Notification = (byte)'A';

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;
    private volatile CancellationTokenSource _frozen = new();

    public Wire(string host, int port)
    {
        _listener.Start();
        _accepting = Task.Run(() => AcceptAsync(host, port));
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public bool SwallowsNotifications { get; init; }

    /// <summary>Nothing passes any more through the connections that there are, and they stay open.</summary>
    public void FreezeAll() => Interlocked.Exchange(ref _frozen, new()).Cancel();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task AcceptAsync(string host, int port)
    {
        while (true)
        {
            var client = await _listener.AcceptSocketAsync(_stop.Token);
            _ = Task.Run(() => ConnectAsync(client, host, port, _frozen.Token));
        }
    }

    private async Task ConnectAsync(Socket client, string host, int port, CancellationToken frozen)
    {
        using var server = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await server.ConnectAsync(host, port, _stop.Token);
        await using var up = new NetworkStream(server);
        await using var down = new NetworkStream(client, ownsSocket: true);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(frozen, _stop.Token);
        await Task.WhenAny(down.CopyToAsync(up, either.Token), ForwardAsync(up, down, either.Token));
        if (frozen.IsCancellationRequested)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>All that a server says is a byte for its kind, its length in four more, and the rest.</summary>
    private async Task ForwardAsync(NetworkStream from, NetworkStream to, CancellationToken cancellationToken)
    {
        var head = new byte[5];
        while (true)
        {
            await from.ReadExactlyAsync(head, cancellationToken);
            var rest = new byte[BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(1)) - 4];
            await from.ReadExactlyAsync(rest, cancellationToken);
            if (!SwallowsNotifications || head[0] != Notification)
            {
                await to.WriteAsync(head, cancellationToken);
                await to.WriteAsync(rest, cancellationToken);
            }
        }
    }
}
