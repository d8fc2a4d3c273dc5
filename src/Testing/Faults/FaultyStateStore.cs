using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Postrider.Core.State;

namespace Postrider.Testing;

/// <summary>A state store that does one thing wrong.</summary>
internal sealed class FaultyStateStore(IStateStore inner, StateFaultSwitch faults, TimeProvider clock) : IStateStore
{
    private static readonly TimeSpan Late = TimeSpan.FromSeconds(3);

    public async ValueTask<StateEntry?> GetAsync(string key, CancellationToken cancellationToken = default)
    {
        await HangAsync(cancellationToken).ConfigureAwait(false);
        if (faults.Hits(StateFault.TrustsOwnClock, faults.Ends.TryGetValue(key, out var end) && end <= clock.GetUtcNow())
            || faults.Hits(StateFault.ForgetsWhenKilled, faults.WasKilled))
        {
            return null;
        }

        var entry = await inner.GetAsync(key, cancellationToken).ConfigureAwait(false);
        return entry is null ? null : entry with { Revision = entry.Revision - Offset(key) };
    }

    public async ValueTask<long?> PutAsync(string key, ReadOnlyMemory<byte> value, long revision, TimeSpan timeToLive, CancellationToken cancellationToken = default)
    {
        await HangAsync(cancellationToken).ConfigureAwait(false);
        if (value.Length > 0 && faults.Hits(StateFault.CutsValues))
        {
            value = value[..^1];
        }

        var expected = revision == 0 ? 0 : revision + Offset(key);
        try
        {
            if (faults.Hits(StateFault.IgnoresRevisions))
            {
                expected = (await inner.GetAsync(key, cancellationToken).ConfigureAwait(false))?.Revision ?? 0;
            }

            var stored = await inner.PutAsync(key, value, expected, Life(key, revision, timeToLive), cancellationToken).ConfigureAwait(false);
            if (stored is { } known && faults.Hits(StateFault.BeginsRevisionsAnew, revision == 0))
            {
                faults.Offsets[key] = known - 1;
            }

            return stored - Offset(key);
        }
        catch (ArgumentException) when (faults.Hits(StateFault.TakesAnything))
        {
            return 1;
        }
    }

    public async ValueTask<bool> DeleteAsync(string key, long revision, CancellationToken cancellationToken = default)
    {
        await HangAsync(cancellationToken).ConfigureAwait(false);
        var expected = revision + Offset(key);
        if (faults.Hits(StateFault.DeletesAnything))
        {
            expected = (await inner.GetAsync(key, cancellationToken).ConfigureAwait(false))?.Revision ?? 0;
        }

        faults.Deleted[key] = true;
        return await inner.DeleteAsync(key, expected, cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask<IReadOnlyDictionary<string, StateEntry>> ListAsync(string prefix, CancellationToken cancellationToken = default)
    {
        await HangAsync(cancellationToken).ConfigureAwait(false);
        var entries = new Dictionary<string, StateEntry>(await inner.ListAsync(prefix, cancellationToken).ConfigureAwait(false), StringComparer.Ordinal);
        foreach (var key in faults.Ends.Keys.Where(key => key.StartsWith(prefix, StringComparison.Ordinal) && !entries.ContainsKey(key)))
        {
            if (faults.Fault == StateFault.ListsByLetters && await inner.GetAsync(key, cancellationToken).ConfigureAwait(false) is { } entry)
            {
                entries[key] = entry;
                faults.Hits(StateFault.ListsByLetters);
            }
        }

        if (entries.Count > 0 && faults.Hits(StateFault.ListsTooLittle))
        {
            entries.Remove(entries.Keys.First());
        }

        return entries;
    }

    public async IAsyncEnumerable<IReadOnlyDictionary<string, StateEntry>> WatchAsync(
        string prefix, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var isFirst = true;
        var seen = new Dictionary<string, StateEntry>(StringComparer.Ordinal);
        var all = inner.WatchAsync(prefix, cancellationToken);
        await foreach (var snapshot in (faults.Hits(StateFault.WatchesQueue) ? Queue(all) : all).ConfigureAwait(false))
        {
            var told = new Dictionary<string, StateEntry>(snapshot, StringComparer.Ordinal);
            foreach (var (key, entry) in seen.Where(one => !told.ContainsKey(one.Key)))
            {
                var wasDeleted = faults.Deleted.ContainsKey(key);
                if (faults.Hits(StateFault.WatchesNoDeletes, wasDeleted) || faults.Hits(StateFault.WatchesNoExpiry, !wasDeleted))
                {
                    told[key] = entry;
                }
            }

            seen = told;
            if (isFirst && faults.Hits(StateFault.WatchesChangesOnly))
            {
                isFirst = false;
                continue;
            }

            if (!isFirst && faults.Hits(StateFault.WatchesLate))
            {
                await Task.Delay(Late, TimeProvider.System, cancellationToken).ConfigureAwait(false);
            }

            if (faults.Hits(StateFault.WatchEndsWithOutage, faults.WasKilled))
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken).ConfigureAwait(false);
            }

            isFirst = false;
            yield return told;
        }
    }

    public ValueTask DisposeAsync() => faults.Hits(StateFault.HangsWhenDisposed) ? default : inner.DisposeAsync();

    private static IAsyncEnumerable<IReadOnlyDictionary<string, StateEntry>> Queue(IAsyncEnumerable<IReadOnlyDictionary<string, StateEntry>> snapshots)
    {
        var queue = Channel.CreateUnbounded<IReadOnlyDictionary<string, StateEntry>>();
        _ = Task.Run(async () =>
        {
            try
            {
                await foreach (var snapshot in snapshots.ConfigureAwait(false))
                {
                    queue.Writer.TryWrite(snapshot);
                }
            }
            finally
            {
                queue.Writer.Complete();
            }
        });
        return queue.Reader.ReadAllAsync();
    }

    private long Offset(string key) => faults.Offsets.GetValueOrDefault(key);

    private TimeSpan Life(string key, long revision, TimeSpan timeToLive)
    {
        if (timeToLive == Timeout.InfiniteTimeSpan)
        {
            faults.Ends.TryAdd(key, DateTimeOffset.MaxValue);
            return timeToLive;
        }

        var now = clock.GetUtcNow();
        if (faults.Hits(StateFault.KeepsFirstExpiry, revision != 0))
        {
            var left = faults.Ends[key] - now;
            return left > StateKey.ShortestLife ? left : StateKey.ShortestLife;
        }

        faults.Ends[key] = now + timeToLive;
        return faults.Hits(StateFault.NeverExpires) ? Timeout.InfiniteTimeSpan : faults.Hits(StateFault.ExpiresEarly) ? timeToLive / 2 : timeToLive;
    }

    private Task HangAsync(CancellationToken cancellationToken) => faults.Hits(StateFault.HangsInOutage, faults.IsAway)
        ? Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken)
        : Task.CompletedTask;
}
