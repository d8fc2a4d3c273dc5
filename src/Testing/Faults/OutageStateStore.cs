using System.Runtime.CompilerServices;
using Postrider.Core.State;

namespace Postrider.Testing;

/// <summary>See <see cref="Outage"/>.</summary>
internal sealed class OutageStateStore(IStateStore inner, Outage outage) : IStateStore
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    public ValueTask<StateEntry?> GetAsync(string key, CancellationToken cancellationToken = default)
    {
        ThrowIfAway();
        return inner.GetAsync(key, cancellationToken);
    }

    public ValueTask<long?> PutAsync(string key, ReadOnlyMemory<byte> value, long revision, TimeSpan timeToLive, CancellationToken cancellationToken = default)
    {
        ThrowIfAway();
        return inner.PutAsync(key, value, revision, timeToLive, cancellationToken);
    }

    public ValueTask<bool> DeleteAsync(string key, long revision, CancellationToken cancellationToken = default)
    {
        ThrowIfAway();
        return inner.DeleteAsync(key, revision, cancellationToken);
    }

    public ValueTask<IReadOnlyDictionary<string, StateEntry>> ListAsync(string prefix, CancellationToken cancellationToken = default)
    {
        ThrowIfAway();
        return inner.ListAsync(prefix, cancellationToken);
    }

    public async IAsyncEnumerable<IReadOnlyDictionary<string, StateEntry>> WatchAsync(
        string prefix, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (var snapshot in inner.WatchAsync(prefix, cancellationToken).ConfigureAwait(false))
        {
            while (outage.IsOn)
            {
                await Task.Delay(Look, TimeProvider.System, cancellationToken).ConfigureAwait(false);
            }

            yield return snapshot;
        }
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private void ThrowIfAway()
    {
        if (outage.IsOn)
        {
            throw new StateStoreException("The server is away.", isTransient: true);
        }
    }
}
