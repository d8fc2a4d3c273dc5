using System.Runtime.CompilerServices;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.State;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.State;

/// <summary>A view tells of a store that cannot be read, and not again and again.</summary>
public sealed class StateViewTests
{
    [Fact]
    public async Task What_is_wrong_is_logged_when_it_changes_and_once_more_when_all_is_well_again()
    {
        var (time, store) = (new FakeTimeProvider(), new Failing { Error = "no rights" });
        using var log = new ListLog();
        await using var view = new StateView(store, "pauses", time, log);
        await FailAsync("no rights", 4);
        await FailAsync("away", 4);
        store.Error = null;
        await PassUntilAsync(() => log.Lines.Any(static line => line.Id == 121));
        await FailAsync("away", 4);

        Assert.Equal([90, 90, 121, 90], log.Lines.Select(static line => line.Id));
        Assert.Equal(["rights", "away", "again.", "away"], log.Lines.Select(static line => line.Text.Split(' ')[^1]));

        async Task FailAsync(string error, int times)
        {
            var from = store.Watched;
            store.Error = error;
            store.End();
            await PassUntilAsync(() => store.Watched >= from + times);
        }

        Task PassUntilAsync(Func<bool> condition) => Eventually.IsAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return condition();
        });
    }

    /// <summary>A store that can be watched, while it has no error, until the watch is ended.</summary>
    private sealed class Failing : IStateStore
    {
        private TaskCompletionSource _end = new();
        private int _watched;

        public string? Error { get; set; }

        public int Watched => Volatile.Read(ref _watched);

        public void End() => Interlocked.Exchange(ref _end, new()).TrySetResult();

        public async IAsyncEnumerable<IReadOnlyDictionary<string, StateEntry>> WatchAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            var end = _end.Task;
            Interlocked.Increment(ref _watched);
            if (Error is { } error)
            {
                throw new StateStoreException(error, isTransient: false);
            }

            yield return new Dictionary<string, StateEntry>();
            await end.WaitAsync(cancellationToken);
            throw new StateStoreException(Error!, isTransient: true);
        }

        public ValueTask<StateEntry?> GetAsync(string key, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask<long?> PutAsync(string key, ReadOnlyMemory<byte> value, long revision, TimeSpan timeToLive, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask<bool> DeleteAsync(string key, long revision, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask<IReadOnlyDictionary<string, StateEntry>> ListAsync(string prefix, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => default;
    }
}
