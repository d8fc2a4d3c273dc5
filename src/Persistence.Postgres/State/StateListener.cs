using Microsoft.Extensions.Logging;
using Npgsql;
using Postrider.Core.State;

namespace Postrider.Persistence.Postgres;

/// <summary>A watch's place at the listener: where it is woken.</summary>
internal sealed class StateWatch(string prefix) : Signal
{
    public string Prefix { get; } = prefix;
}

/// <summary>
/// Wakes watches. One connection listens for all of them, and asks the server something every few seconds, so that it finds out when it is dead. What happened
/// while nobody listened was not heard: so all are woken when it begins and when it ends.
/// </summary>
internal sealed class StateListener(StateConnections connections, ILogger log) : IAsyncDisposable
{
    /// <summary>How often watches look while nobody listens for them.</summary>
    public static readonly TimeSpan UnheardLook = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan DeafPause = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Answer = TimeSpan.FromSeconds(3);

    private readonly List<StateWatch> _watches = [];
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private volatile bool _hears;
    private Task? _loop;

    /// <summary>Whether watches are woken by each change.</summary>
    public bool Hears => _hears;

    public StateWatch Register(string prefix)
    {
        var watch = new StateWatch(prefix);
        lock (_lock)
        {
            _watches.Add(watch);
            _loop ??= Task.Run(LoopAsync);
        }

        return watch;
    }

    public void Unregister(StateWatch watch)
    {
        lock (_lock)
        {
            _watches.Remove(watch);
        }

        watch.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        if (_loop is not null)
        {
            await _loop.ConfigureAwait(false);
        }
    }

    private async Task LoopAsync()
    {
        var (pause, failed) = (FirstPause, false);
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var connection = await StateConnections.OpenAsync(connections.Listen, _stop.Token).ConfigureAwait(false);
                await using (connection.ConfigureAwait(false))
                {
                    await BeginAsync(connection).ConfigureAwait(false);
                    (_hears, pause) = (true, FirstPause);
                    WakeAll();
                    if (failed)
                    {
                        failed = false;
                        log.ListeningAgain(connections.Where);
                    }

                    while (true)
                    {
                        if (!await connection.WaitAsync(Silence, _stop.Token).ConfigureAwait(false))
                        {
                            await ExecuteAsync(connection, "select 1").ConfigureAwait(false);
                        }
                    }
                }
            }
            catch (Exception e)
            {
                if (_stop.IsCancellationRequested)
                {
                    return;
                }

                if (_hears)
                {
                    // It is the first to notice that the server has gone: idle connections of the pool are gone too.
                    _hears = false;
                    connections.Calls.Clear();
                    WakeAll();
                }

                pause = e is DeafException ? DeafPause : pause;
                if (!failed)
                {
                    failed = true;
                    log.ListeningFailed(connections.Where, UnheardLook.TotalMilliseconds, e is DeafException ? e : connections.Failed(e, "listen for changes"));
                }
            }

            await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), TimeProvider.System, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = pause * 2 > LongestPause ? LongestPause : pause * 2;
        }
    }

    /// <summary>Listens, and lets another connection tell it something: a pooler may give the session to others between two statements, and then nothing is heard.</summary>
    private async Task BeginAsync(NpgsqlConnection connection)
    {
        var (trial, isHeard) = ($"?{Guid.NewGuid():N}", false);
        connection.Notification += (_, notification) =>
        {
            isHeard |= notification.Payload == trial;
            Wake(notification.Payload);
        };
        await ExecuteAsync(connection, StateSql.Listen).ConfigureAwait(false);
        var other = await StateConnections.OpenAsync(connections.Calls, _stop.Token).ConfigureAwait(false);
        await using (other.ConfigureAwait(false))
        {
            await ExecuteAsync(other, StateSql.Tell, trial).ConfigureAwait(false);
        }

        while (!isHeard)
        {
            if (!await connection.WaitAsync(Answer, _stop.Token).ConfigureAwait(false))
            {
                throw new DeafException();
            }
        }
    }

    private async Task ExecuteAsync(NpgsqlConnection connection, string sql, params string[] parameters)
    {
        var command = new NpgsqlCommand(sql, connection) { CommandTimeout = (int)Answer.TotalSeconds };
        await using (command.ConfigureAwait(false))
        {
            foreach (var parameter in parameters)
            {
                command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = parameter });
            }

            await command.ExecuteNonQueryAsync(_stop.Token).ConfigureAwait(false);
        }
    }

    private void Wake(string key)
    {
        lock (_lock)
        {
            foreach (var watch in _watches)
            {
                if (StateKey.IsBelow(key, watch.Prefix))
                {
                    watch.Set();
                }
            }
        }
    }

    private void WakeAll()
    {
        lock (_lock)
        {
            _watches.ForEach(static watch => watch.Set());
        }
    }

    private sealed class DeafException() : Exception(
        "Notifications do not arrive. A pooler in transaction mode is between: give the state store a direct connection, or one in session mode.");
}
