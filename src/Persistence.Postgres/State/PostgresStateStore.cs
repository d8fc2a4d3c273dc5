using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using NpgsqlTypes;
using Postrider.Core.State;

namespace Postrider.Persistence.Postgres;

/// <summary>A state store in one table of PostgreSQL, <c>postrider.state</c>. All stores on a database share their entries.</summary>
/// <remarks>
/// <para>Connects at the first use. What was put or deleted survives a crash of the server, whatever its <c>synchronous_commit</c> is.</para>
/// <para>Calls take no part in a transaction of the caller.</para>
/// </remarks>
public sealed class PostgresStateStore : IStateStore
{
    /// <summary>How often a watch looks even if it hears of nothing.</summary>
    private static readonly TimeSpan SafetyLook = TimeSpan.FromSeconds(30);

    /// <summary>How long a watch waits that could not look.</summary>
    private static readonly TimeSpan FailedLook = TimeSpan.FromSeconds(1);

    private readonly TimeSpan _callTimeout;
    private readonly StateConnections _connections;
    private readonly StateSchema _schema;
    private readonly StateListener _listener;
    private readonly StateCleaning _cleaning = new();
    private readonly CancellationTokenSource _disposed = new();
    private bool _isDisposed;

    /// <summary>Checks the options; nothing is connected yet.</summary>
    /// <param name="options">Where PostgreSQL is and what to use of it.</param>
    /// <param name="loggers">Where to log, or null for nowhere.</param>
    /// <exception cref="MessagingConfigurationException">An option is wrong, or the connection string cannot be read.</exception>
    public PostgresStateStore(PostgresStateOptions options, ILoggerFactory? loggers = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        var log = (loggers ?? NullLoggerFactory.Instance).CreateLogger("Postrider.Persistence.Postgres");
        _callTimeout = options.CallTimeout;
        _connections = new(options, log);
        _schema = new(_connections, options.CreateTable, log);
        _listener = new(_connections, log);
    }

    /// <inheritdoc/>
    public async ValueTask<StateEntry?> GetAsync(string key, CancellationToken cancellationToken = default)
    {
        StateKey.Check(key);
        return await CallAsync(
            $"get '{key}'", StateSql.Get, [Text(key)],
            static async (reader, token) => await reader.ReadAsync(token).ConfigureAwait(false)
                ? new StateEntry(reader.GetFieldValue<byte[]>(0), reader.GetInt64(1))
                : null,
            cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<long?> PutAsync(string key, ReadOnlyMemory<byte> value, long revision, TimeSpan timeToLive, CancellationToken cancellationToken = default)
    {
        StateKey.Check(key, value, revision, timeToLive);
        Func<NpgsqlParameter>[] parameters = [Text(key), () => new NpgsqlParameter<ReadOnlyMemory<byte>> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Bytea }, Life(timeToLive)];
        var stored = await CallAsync(
            $"put '{key}'", revision == 0 ? StateSql.PutNew : StateSql.Replace, revision == 0 ? parameters : [.. parameters, Number(revision)],
            static async (reader, token) => await reader.ReadAsync(token).ConfigureAwait(false) ? reader.GetInt64(0) : (long?)null,
            cancellationToken).ConfigureAwait(false);
        _cleaning.NowAndThen(CleanAsync);
        return stored;
    }

    /// <inheritdoc/>
    public async ValueTask<bool> DeleteAsync(string key, long revision, CancellationToken cancellationToken = default)
    {
        StateKey.Check(key);
        return await CallAsync(
            $"delete '{key}'", StateSql.Delete, [Text(key), Number(revision)], static (reader, token) => reader.ReadAsync(token), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyDictionary<string, StateEntry>> ListAsync(string prefix, CancellationToken cancellationToken = default)
    {
        StateKey.Check(prefix);
        return (await LookAsync(prefix, cancellationToken).ConfigureAwait(false)).Entries!;
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<IReadOnlyDictionary<string, StateEntry>> WatchAsync(
        string prefix, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        StateKey.Check(prefix);
        ThrowIfOver(cancellationToken);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _disposed.Token);
        var watch = _listener.Register(prefix);
        try
        {
            Dictionary<string, StateEntry>? last = null;
            while (true)
            {
                var (seen, untilExpiry, started) = await TryLookAsync(prefix, cancellationToken).ConfigureAwait(false);
                if (seen is not null && (last is null || !IsSame(last, seen)))
                {
                    last = seen;
                    yield return seen;
                }

                var pause = seen is null ? FailedLook : _listener.Hears ? SafetyLook : StateListener.UnheardLook;
                var left = untilExpiry - TimeProvider.System.GetElapsedTime(started);
                await WaitAsync(watch, left < pause ? left : pause, ending.Token).ConfigureAwait(false);
                ThrowIfOver(cancellationToken);
            }
        }
        finally
        {
            _listener.Unregister(watch);
        }
    }

    /// <summary>Ends what waits here and closes the connections. The entries stay. Idempotent.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, true))
        {
            return;
        }

        // Not disposed of: what waits may still look at it.
        await _disposed.CancelAsync().ConfigureAwait(false);
        await _listener.DisposeAsync().ConfigureAwait(false);
        await _cleaning.EndAsync().ConfigureAwait(false);
        _schema.Dispose();
        await _connections.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>The wait ends early, in time or by the token, and is never at fault.</summary>
    private static async Task WaitAsync(StateWatch watch, TimeSpan atMost, CancellationToken cancellationToken)
    {
        // Timers count whole milliseconds: never a little too early, again and again.
        var wait = atMost > TimeSpan.Zero ? atMost + TimeSpan.FromMilliseconds(1) : TimeSpan.FromMilliseconds(1);
        await watch.WaitAsync(wait, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static bool IsSame(Dictionary<string, StateEntry> one, Dictionary<string, StateEntry> other) =>
        one.Count == other.Count && one.All(pair => other.TryGetValue(pair.Key, out var entry) && entry.Revision == pair.Value.Revision);

    private static Func<NpgsqlParameter> Text(string text) => () => new NpgsqlParameter<string> { TypedValue = text };

    private static Func<NpgsqlParameter> Number(long number) => () => new NpgsqlParameter<long> { TypedValue = number };

    private static Func<NpgsqlParameter> Life(TimeSpan timeToLive) => () => new NpgsqlParameter
    {
        NpgsqlDbType = NpgsqlDbType.Interval,
        Value = timeToLive == Timeout.InfiniteTimeSpan ? DBNull.Value : timeToLive,
    };

    /// <summary>Without entries while the server is away.</summary>
    private async ValueTask<Look> TryLookAsync(string prefix, CancellationToken cancellationToken)
    {
        try
        {
            return await LookAsync(prefix, cancellationToken).ConfigureAwait(false);
        }
        catch (StateStoreException e) when (e.IsTransient)
        {
            return new(null, SafetyLook, TimeProvider.System.GetTimestamp());
        }
    }

    private ValueTask<Look> LookAsync(string prefix, CancellationToken cancellationToken)
    {
        return CallAsync($"list '{prefix}'", StateSql.List, [Text($"{prefix}."), Text($"{prefix}/")], ReadAsync, cancellationToken);

        static async Task<Look> ReadAsync(NpgsqlDataReader reader, CancellationToken token)
        {
            var entries = new Dictionary<string, StateEntry>(StringComparer.Ordinal);
            var (seconds, started) = (SafetyLook.TotalSeconds, TimeProvider.System.GetTimestamp());
            while (await reader.ReadAsync(token).ConfigureAwait(false))
            {
                entries.Add(reader.GetString(0), new(reader.GetFieldValue<byte[]>(1), reader.GetInt64(2)));
                seconds = await reader.IsDBNullAsync(3, token).ConfigureAwait(false) ? seconds : Math.Min(seconds, reader.GetDouble(3));
            }

            return new(entries, TimeSpan.FromSeconds(seconds), started);
        }
    }

    private async Task<bool> CleanAsync(int most) => await CallAsync(
        "remove what has expired", StateSql.Clean, [() => new NpgsqlParameter<int> { TypedValue = most }],
        (reader, _) => Task.FromResult(reader.RecordsAffected == most), CancellationToken.None).ConfigureAwait(false);

    private async ValueTask<T> CallAsync<T>(
        string doing, string sql, Func<NpgsqlParameter>[] parameters, Func<NpgsqlDataReader, CancellationToken, Task<T>> read, CancellationToken cancellationToken)
    {
        ThrowIfOver(cancellationToken);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _disposed.Token);
        deadline.CancelAfter(_callTimeout);
        for (var isFirst = true; ; isFirst = false)
        {
            try
            {
                await _schema.EnsureAsync(deadline.Token).ConfigureAwait(false);
                return await ExecuteAsync(sql, parameters, read, deadline.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (isFirst && PostgresErrors.LacksSchema(e))
            {
                _schema.Forget();
            }
            catch (Exception e)
            {
                ThrowIfOver(cancellationToken);
                throw _connections.Failed(e, doing);
            }
        }
    }

    private async Task<T> ExecuteAsync<T>(
        string sql, Func<NpgsqlParameter>[] parameters, Func<NpgsqlDataReader, CancellationToken, Task<T>> read, CancellationToken cancellationToken)
    {
        var connection = await StateConnections.OpenAsync(_connections.Calls, cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            var command = new NpgsqlCommand(sql, connection);
            await using (command.ConfigureAwait(false))
            {
                foreach (var parameter in parameters)
                {
                    command.Parameters.Add(parameter());
                }

                var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                await using (reader.ConfigureAwait(false))
                {
                    return await read(reader, cancellationToken).ConfigureAwait(false);
                }
            }
        }
    }

    private void ThrowIfOver(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
    }

    private readonly record struct Look(Dictionary<string, StateEntry>? Entries, TimeSpan UntilExpiry, long Started);
}
