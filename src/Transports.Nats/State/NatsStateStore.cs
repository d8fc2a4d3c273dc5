using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Postrider.Core.State;

namespace Postrider.Transports.Nats;

/// <summary>A state store in a JetStream key-value bucket, on a connection of its own.</summary>
/// <remarks>
/// A revision is a place in the stream, and what is compared and set is the last one of the key, also where a key has no entry any more. An entry whose time is over
/// counts until somebody finds it, who declares it deleted by comparing and setting as well. So all processes agree on when it ended, and nobody renews what another has found to be over.
/// </remarks>
internal sealed class NatsStateStore : IStateStore
{
    /// <summary>So many entries are asked for at once.</summary>
    private const int AtOnce = 64;

    private readonly Links _links;
    private readonly JetStreamApi _api;
    private readonly StateBucket _bucket;
    private readonly ServerClock _clock;
    private readonly StateSweep _sweep;
    private readonly CancellationTokenSource _disposed = new();

    /// <param name="links">Its connection, which it closes.</param>
    /// <param name="bucket">The bucket's name.</param>
    /// <param name="log">Where to log.</param>
    /// <param name="keepDeleted">For how long the word of a delete stays, for those who watch; null for the usual time.</param>
    public NatsStateStore(Links links, string bucket, ILogger log, TimeSpan? keepDeleted = null)
    {
        _links = links;
        _api = new(links);
        _bucket = new(_api, bucket, log);
        _clock = new(_api, _bucket.Stream, _bucket.Clock, (StoredState.Operation, StoredState.Delete));
        _sweep = new(_bucket, _clock, log, keepDeleted ?? StateSweep.UsualStay);
    }

    public ValueTask<StateEntry?> GetAsync(string key, CancellationToken cancellationToken = default)
    {
        StateKey.Check(key);
        return DoAsync(
            $"get the state of '{key}'",
            async (doing, token) => await CurrentAsync(key, doing, token).ConfigureAwait(false) is { IsDeleted: false } found ? EntryOf(found) : null, cancellationToken);
    }

    public ValueTask<long?> PutAsync(string key, ReadOnlyMemory<byte> value, long revision, TimeSpan timeToLive, CancellationToken cancellationToken = default)
    {
        StateKey.Check(key, value, revision, timeToLive);
        return DoAsync($"put the state of '{key}'", (doing, token) => PutAsync(key, value, revision, timeToLive, doing, token), cancellationToken);
    }

    public ValueTask<bool> DeleteAsync(string key, long revision, CancellationToken cancellationToken = default)
    {
        StateKey.Check(key);
        return DoAsync($"delete the state of '{key}'", (doing, token) => DeleteAsync(key, revision, doing, token), cancellationToken);
    }

    public ValueTask<IReadOnlyDictionary<string, StateEntry>> ListAsync(string prefix, CancellationToken cancellationToken = default)
    {
        StateKey.Check(prefix);
        return DoAsync<IReadOnlyDictionary<string, StateEntry>>(
            $"list the state below '{prefix}'", async (doing, token) => EntriesOf((await AllAsync(prefix, doing, token).ConfigureAwait(false)).Values), cancellationToken);
    }

    public async IAsyncEnumerable<IReadOnlyDictionary<string, StateEntry>> WatchAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        StateKey.Check(prefix);
        var watch = new StateWatch(this, _api, _bucket, _clock, prefix);
        await using var ending = watch.ConfigureAwait(false);
        while (true)
        {
            yield return await DoAsync($"watch the state below '{prefix}'", watch.NextAsync, cancellationToken, takesLong: true).ConfigureAwait(false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        // Not disposed of: it has no timer, and what waits may still look at it.
        await _disposed.CancelAsync().ConfigureAwait(false);
        await _sweep.DisposeAsync().ConfigureAwait(false);
        await _links.DisposeAsync().ConfigureAwait(false);
        _clock.Dispose();
    }

    public static Dictionary<string, StateEntry> EntriesOf(IEnumerable<StoredState> all)
    {
        var entries = new Dictionary<string, StateEntry>(StringComparer.Ordinal);
        foreach (var one in all)
        {
            if (!one.IsDeleted)
            {
                entries.Add(one.Key, EntryOf(one));
            }
        }

        return entries;
    }

    /// <summary>The last message of the key, which is an entry whose time is not over or the word that there is none; null if there never was.</summary>
    public async ValueTask<StoredState?> CurrentAsync(string key, string doing, CancellationToken cancellationToken)
    {
        while (true)
        {
            var last = await _bucket.FindAsync(key, doing, cancellationToken).ConfigureAwait(false);
            if (last is null || !await _clock.IsOverAsync(last, cancellationToken).ConfigureAwait(false))
            {
                return last;
            }

            var deleted = await _bucket.DeleteAsync(key, last.Sequence, doing, cancellationToken).ConfigureAwait(false);
            if (deleted != 0)
            {
                return last with { Sequence = deleted, IsDeleted = true };
            }
        }
    }

    /// <summary>The last messages of all keys below the prefix, each as <see cref="CurrentAsync"/> has it.</summary>
    public async ValueTask<ConcurrentDictionary<string, StoredState>> AllAsync(string prefix, string doing, CancellationToken cancellationToken)
    {
        var all = new ConcurrentDictionary<string, StoredState>(StringComparer.Ordinal);
        var keys = await _bucket.KeysAsync(prefix, doing, cancellationToken).ConfigureAwait(false);
        var limit = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(keys, limit, async (key, token) =>
        {
            if (await CurrentAsync(key, doing, token).ConfigureAwait(false) is { } found)
            {
                all[key] = found;
            }
        }).ConfigureAwait(false);
        return all;
    }

    private static StateEntry EntryOf(StoredState stored) => new(stored.Value, (long)stored.Sequence);

    private async ValueTask<long?> PutAsync(
        string key, ReadOnlyMemory<byte> value, long revision, TimeSpan timeToLive, string doing, CancellationToken cancellationToken)
    {
        while (true)
        {
            var last = await CurrentAsync(key, doing, cancellationToken).ConfigureAwait(false);
            if ((last is { IsDeleted: false } ? (long)last.Sequence : 0) != revision)
            {
                return null;
            }

            var stored = await _bucket.PutAsync(key, value, timeToLive, last?.Sequence ?? 0, doing, cancellationToken).ConfigureAwait(false);
            if (stored != 0)
            {
                _sweep.Written();
                return (long)stored;
            }

            // Another was quicker. What he did may not matter: the word of a delete may have been removed.
        }
    }

    private async ValueTask<bool> DeleteAsync(string key, long revision, string doing, CancellationToken cancellationToken)
    {
        if (await CurrentAsync(key, doing, cancellationToken).ConfigureAwait(false) is not { IsDeleted: false } last || (long)last.Sequence != revision
            || await _bucket.DeleteAsync(key, last.Sequence, doing, cancellationToken).ConfigureAwait(false) == 0)
        {
            return false;
        }

        _sweep.Written();
        return true;
    }

    /// <summary>A call has several questions to the server, which may wait for those of other calls, so there is a limit for all together.</summary>
    private async ValueTask<T> DoAsync<T>(
        string doing, Func<string, CancellationToken, ValueTask<T>> call, CancellationToken cancellationToken, bool takesLong = false)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _disposed.Token);
        if (!takesLong)
        {
            over.CancelAfter(_links.Options.ConnectTimeout + _links.Options.CommandTimeout);
        }

        try
        {
            return await call(doing, over.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (over.IsCancellationRequested)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
            throw new StateStoreException(NatsErrors.TimedOut(doing, _links.Where).Message, isTransient: true, e);
        }
        catch (TransportException e)
        {
            throw new StateStoreException(e.Message, e.IsTransient, e);
        }
    }
}
