using Microsoft.Extensions.Logging;
using Npgsql;
using Postrider.Persistence.Postgres;

namespace Postrider.Transports.Pgmq;

/// <summary>A receiver's place at the listener: where it is woken. One waits at a time.</summary>
internal sealed class WakeUp(string table) : Signal
{
    public string Table { get; } = table;

    /// <summary>The session that holds the lock that says that this receiver waits; 0 if none does.</summary>
    public int Session { get; set; }
}

/// <summary>
/// Wakes receivers that wait. One connection listens for the whole transport; another holds, for each queue that is waited for, an advisory
/// lock by which publishers see that a notification is wanted, so that a busy queue costs none. All of it only saves time:
/// receivers poll as well.
/// </summary>
internal sealed class PgmqListener(Connections connections, ILogger log) : IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, List<WakeUp>> _waiting = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _session = new(1, 1);
    private readonly CancellationTokenSource _stop = new();
    private NpgsqlConnection? _locks;
    private int _sessions;
    private volatile bool _listening;
    private Task? _loop;

    public WakeUp Register(string table)
    {
        var wakeUp = new WakeUp(table);
        lock (_lock)
        {
            if (!_waiting.TryGetValue(table, out var list))
            {
                _waiting[table] = list = [];
            }

            list.Add(wakeUp);
            _loop ??= Task.Run(LoopAsync);
        }

        return wakeUp;
    }

    /// <summary>Ends with its receiver. What it holds is given up.</summary>
    public async ValueTask UnregisterAsync(WakeUp wakeUp)
    {
        lock (_lock)
        {
            if (_waiting.TryGetValue(wakeUp.Table, out var list) && list.Remove(wakeUp) && list.Count == 0)
            {
                _waiting.Remove(wakeUp.Table);
            }
        }

        await EndWaitAsync(wakeUp).ConfigureAwait(false);
        wakeUp.Dispose();
    }

    /// <summary>Whether publishers know that this receiver waits.</summary>
    public bool IsAnnounced(WakeUp wakeUp) =>
        _listening && wakeUp.Session != 0 && wakeUp.Session == _sessions && _locks is { FullState: System.Data.ConnectionState.Open };

    /// <summary>
    /// Lets publishers know. After this the receiver must look once more before it waits: what was stored before was not announced.
    /// False if it is not possible now, as while the listening connection is away or a publisher is about to commit.
    /// </summary>
    public async ValueTask<bool> AnnounceAsync(WakeUp wakeUp, CancellationToken cancellationToken)
    {
        if (!_listening)
        {
            return false;
        }

        await _session.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_locks is not { FullState: System.Data.ConnectionState.Open })
            {
                await DropSessionAsync().ConfigureAwait(false);
                _locks = await connections.Listen.OpenConnectionAsync(_stop.Token).ConfigureAwait(false);
                _sessions++;
            }

            if (!await LockAsync(Sql.Wait, wakeUp.Table).ConfigureAwait(false))
            {
                return false;
            }

            wakeUp.Session = _sessions;
            return true;
        }
        catch (Exception)
        {
            // The receiver polls; its own statements report what is wrong with the server.
            await DropSessionAsync().ConfigureAwait(false);
            return false;
        }
        finally
        {
            _session.Release();
        }
    }

    /// <summary>There is a backlog: notifications would be wasted.</summary>
    public async ValueTask EndWaitAsync(WakeUp wakeUp)
    {
        if (wakeUp.Session == 0)
        {
            return;
        }

        await _session.WaitAsync().ConfigureAwait(false);
        try
        {
            if (wakeUp.Session == _sessions && _locks is { FullState: System.Data.ConnectionState.Open })
            {
                await LockAsync(Sql.EndWait, wakeUp.Table).ConfigureAwait(false);
            }
        }
        catch (Exception)
        {
            await DropSessionAsync().ConfigureAwait(false);
        }
        finally
        {
            wakeUp.Session = 0;
            _session.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        if (_loop is not null)
        {
            await _loop.ConfigureAwait(false);
        }

        await _session.WaitAsync().ConfigureAwait(false);
        await DropSessionAsync().ConfigureAwait(false);
        _session.Release();
    }

    private async Task LoopAsync()
    {
        var pause = FirstPause;
        var failed = false;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var connection = await connections.Listen.OpenConnectionAsync(_stop.Token).ConfigureAwait(false);
                await using (connection.ConfigureAwait(false))
                {
                    connection.Notification += (_, notification) => Wake(notification.Payload);
                    var listen = new NpgsqlCommand(Sql.Listen, connection);
                    await using (listen.ConfigureAwait(false))
                    {
                        await listen.ExecuteNonQueryAsync(_stop.Token).ConfigureAwait(false);
                    }

                    _listening = true;
                    if (failed)
                    {
                        log.ListeningAgain(connections.Where);
                    }

                    (failed, pause) = (false, FirstPause);
                    WakeAll();
                    while (true)
                    {
                        await connection.WaitAsync(_stop.Token).ConfigureAwait(false);
                    }
                }
            }
            catch (Exception e)
            {
                var wasListening = _listening;
                _listening = false;
                if (_stop.IsCancellationRequested)
                {
                    return;
                }

                if (wasListening)
                {
                    // It is the first to notice that the server has gone: idle connections of the pools are gone too.
                    connections.Clear();
                }

                if (!failed)
                {
                    failed = true;
                    log.ListeningFailed(connections.Where, PgmqErrors.Map(e, "listen", connections.Where));
                }
            }

            await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), TimeProvider.System, _stop.Token)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = pause * 2 > LongestPause ? LongestPause : pause * 2;
        }
    }

    private void Wake(string table)
    {
        lock (_lock)
        {
            if (_waiting.TryGetValue(table, out var list))
            {
                foreach (var wakeUp in list)
                {
                    wakeUp.Set();
                }
            }
        }
    }

    private void WakeAll()
    {
        lock (_lock)
        {
            foreach (var list in _waiting.Values)
            {
                foreach (var wakeUp in list)
                {
                    wakeUp.Set();
                }
            }
        }
    }

    private async Task<bool> LockAsync(string sql, string table)
    {
        var command = new NpgsqlCommand(sql, _locks);
        await using (command.ConfigureAwait(false))
        {
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = table });
            return await command.ExecuteScalarAsync(_stop.Token).ConfigureAwait(false) is true;
        }
    }

    private async ValueTask DropSessionAsync()
    {
        if (_locks is { } old)
        {
            _locks = null;
            await old.DisposeAsync().ConfigureAwait(false);
        }
    }
}
