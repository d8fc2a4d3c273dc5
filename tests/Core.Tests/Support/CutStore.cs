using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Postrider.Core.InMemory;
using Postrider.Core.State;

namespace Postrider.Core.Tests.Support;

/// <summary>A state store whose connection can be cut: what one process has that is dead or alone, as far as the others can tell.</summary>
internal sealed class CutStore(InMemoryBroker broker) : IStateStore
{
    private readonly InMemoryStateStore _inner = new(broker);

    public bool IsCut { get; set; }

    /// <summary>Watches tell late: what they knew is told when it is over.</summary>
    public bool IsSlow { get; set; }

    /// <summary>The keys of what was to be deleted.</summary>
    public ConcurrentQueue<string> Deleted { get; } = new();

    public ValueTask<StateEntry?> GetAsync(string key, CancellationToken cancellationToken) => Inner().GetAsync(key, cancellationToken);

    public ValueTask<long?> PutAsync(string key, ReadOnlyMemory<byte> value, long revision, TimeSpan timeToLive, CancellationToken cancellationToken) =>
        Inner().PutAsync(key, value, revision, timeToLive, cancellationToken);

    public ValueTask<bool> DeleteAsync(string key, long revision, CancellationToken cancellationToken)
    {
        Deleted.Enqueue(key);
        return Inner().DeleteAsync(key, revision, cancellationToken);
    }

    public ValueTask<IReadOnlyDictionary<string, StateEntry>> ListAsync(string prefix, CancellationToken cancellationToken) => Inner().ListAsync(prefix, cancellationToken);

    public async IAsyncEnumerable<IReadOnlyDictionary<string, StateEntry>> WatchAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var snapshot in _inner.WatchAsync(prefix, cancellationToken))
        {
            while (IsCut || IsSlow)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, cancellationToken);
            }

            yield return snapshot;
        }
    }

    public ValueTask DisposeAsync() => _inner.DisposeAsync();

    private InMemoryStateStore Inner() => IsCut ? throw new StateStoreException("The connection is cut.", isTransient: true) : _inner;
}
