using System.Runtime.CompilerServices;
using Postrider.Core.State;

namespace Postrider.Core.InMemory;

/// <summary>A state store in this process, on an <see cref="InMemoryBroker"/>: all on the same broker share their entries, which end with it.</summary>
/// <remarks>Expiry is on the system's clock, also if the broker is on another.</remarks>
public sealed class InMemoryStateStore : IStateStore
{
    private readonly StateTable _table;
    private readonly CancellationTokenSource _disposed = new();

    /// <summary>A store on a broker.</summary>
    public InMemoryStateStore(InMemoryBroker broker)
    {
        ArgumentNullException.ThrowIfNull(broker);
        _table = broker.State;
    }

    /// <inheritdoc/>
    public ValueTask<StateEntry?> GetAsync(string key, CancellationToken cancellationToken = default)
    {
        StateKey.Check(key);
        ThrowIfOver(cancellationToken);
        return new(_table.Get(key));
    }

    /// <inheritdoc/>
    public ValueTask<long?> PutAsync(string key, ReadOnlyMemory<byte> value, long revision, TimeSpan timeToLive, CancellationToken cancellationToken = default)
    {
        StateKey.Check(key, value, revision, timeToLive);
        ThrowIfOver(cancellationToken);
        return new(_table.Put(key, value, revision, timeToLive));
    }

    /// <inheritdoc/>
    public ValueTask<bool> DeleteAsync(string key, long revision, CancellationToken cancellationToken = default)
    {
        StateKey.Check(key);
        ThrowIfOver(cancellationToken);
        return new(_table.Delete(key, revision));
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyDictionary<string, StateEntry>> ListAsync(string prefix, CancellationToken cancellationToken = default)
    {
        StateKey.Check(prefix);
        ThrowIfOver(cancellationToken);
        return new(_table.Look(prefix).Entries);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<IReadOnlyDictionary<string, StateEntry>> WatchAsync(
        string prefix, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        StateKey.Check(prefix);
        Dictionary<string, StateEntry>? last = null;
        while (true)
        {
            ThrowIfOver(cancellationToken);
            var (entries, untilExpiry, changed) = _table.Look(prefix);
            if (last is null || !IsSame(last, entries))
            {
                last = entries;
                yield return entries;
                continue;
            }

            using var woken = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _disposed.Token);
            await Task.WhenAny(changed, Task.Delay(untilExpiry, TimeProvider.System, woken.Token)).ConfigureAwait(false);
            await woken.CancelAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Ends what waits here. The entries stay with the broker.</summary>
    public ValueTask DisposeAsync()
    {
        // Not disposed of: it has no timer, and what waits may still look at it.
        _disposed.Cancel();
        return ValueTask.CompletedTask;
    }

    private static bool IsSame(Dictionary<string, StateEntry> one, Dictionary<string, StateEntry> other) =>
        one.Count == other.Count && one.All(pair => other.TryGetValue(pair.Key, out var entry) && entry.Revision == pair.Value.Revision);

    private void ThrowIfOver(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
    }
}
