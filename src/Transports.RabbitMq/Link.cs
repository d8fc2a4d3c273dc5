using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>One connection, made at its first use and made anew when it is broken; one attempt is shared by all who wait for it.</summary>
/// <remarks>It never tries again by itself: pacing is the Core's.</remarks>
internal sealed class Link(ConnectionFactory factory, string name, TimeSpan timeout) : IAsyncDisposable
{
    /// <summary>The client wants at least so long for a farewell.</summary>
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _closing = new();
    private Task<IConnection>? _connection;
    private volatile string? _blocked;
    private bool _disposed;

    /// <summary>Why the broker reads nothing from this connection at the moment (it is out of memory or disk), or null.</summary>
    public string? Blocked => _blocked;

    public ValueTask<IConnection> GetAsync(CancellationToken cancellationToken)
    {
        Task<IConnection> connecting;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(RabbitMqTransport));
            if (_connection is { IsCompleted: true } made && !IsUsable(made))
            {
                Discard(made);
                _connection = null;
            }

            connecting = _connection ??= Task.Run(ConnectAsync, CancellationToken.None);
        }

        return new(connecting.IsCompletedSuccessfully ? connecting : connecting.WaitAsync(cancellationToken));
    }

    public async ValueTask DisposeAsync()
    {
        Task<IConnection>? left;
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            left = _connection;
        }

        await _closing.CancelAsync().ConfigureAwait(false);
        if (left is not null)
        {
            try
            {
                var connection = await left.ConfigureAwait(false);
                await connection.AbortAsync(Constants.ReplySuccess, "Goodbye", Farewell).ConfigureAwait(false);
                await connection.DisposeAsync().ConfigureAwait(false);
            }
            catch (Exception)
            {
                // It is gone either way.
            }
        }

        _closing.Dispose();
    }

    private static bool IsUsable(Task<IConnection> made) => made.IsCompletedSuccessfully && made.GetAwaiter().GetResult().IsOpen;

    /// <summary>Frees what a broken connection holds, in the background: it may take a moment to notice that it is broken.</summary>
    private static void Discard(Task<IConnection> made)
    {
        if (made.IsCompletedSuccessfully)
        {
            _ = Task.Run(
                async () =>
                {
                    try
                    {
                        await (await made.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
                    }
                    catch (Exception)
                    {
                        // Nobody uses it any more.
                    }
                },
                CancellationToken.None);
        }
    }

    private async Task<IConnection> ConnectAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
        limit.CancelAfter(timeout);
        try
        {
            var connection = await factory.CreateConnectionAsync(name, limit.Token).ConfigureAwait(false);
            _blocked = null;
            connection.ConnectionBlockedAsync += (_, blocked) =>
            {
                _blocked = blocked.Reason;
                return Task.CompletedTask;
            };
            connection.ConnectionUnblockedAsync += (_, _) =>
            {
                _blocked = null;
                return Task.CompletedTask;
            };
            connection.ConnectionShutdownAsync += (_, _) =>
            {
                _blocked = null;
                return Task.CompletedTask;
            };
            return connection;
        }
        catch (OperationCanceledException e) when (!_closing.IsCancellationRequested)
        {
            throw new TimeoutException($"it did not answer within {timeout}", e);
        }
        catch (OperationCanceledException e)
        {
            throw new ObjectDisposedException("The transport has been disposed of.", e);
        }
    }
}
