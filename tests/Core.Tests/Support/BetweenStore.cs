using Postrider.Core.State;

namespace Postrider.Core.Tests.Support;

/// <summary>A store in which something happens before each write.</summary>
internal sealed class BetweenStore(IStateStore inner, Func<ValueTask> before) : IStateStore
{
    public ValueTask<StateEntry?> GetAsync(string key, CancellationToken cancellationToken) => inner.GetAsync(key, cancellationToken);

    public async ValueTask<long?> PutAsync(string key, ReadOnlyMemory<byte> value, long revision, TimeSpan timeToLive, CancellationToken cancellationToken)
    {
        await before();
        return await inner.PutAsync(key, value, revision, timeToLive, cancellationToken);
    }

    public ValueTask<bool> DeleteAsync(string key, long revision, CancellationToken cancellationToken) => inner.DeleteAsync(key, revision, cancellationToken);

    public ValueTask<IReadOnlyDictionary<string, StateEntry>> ListAsync(string prefix, CancellationToken cancellationToken) => inner.ListAsync(prefix, cancellationToken);

    public IAsyncEnumerable<IReadOnlyDictionary<string, StateEntry>> WatchAsync(string prefix, CancellationToken cancellationToken) => inner.WatchAsync(prefix, cancellationToken);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
