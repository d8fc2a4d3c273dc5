using Postrider.Core.State;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>The base of the scenarios of state stores: connections that are closed at the end, keys of their own, and waiting with an end.</summary>
public abstract class StateScenarios : IAsyncLifetime
{
    private readonly List<IAsyncDisposable> _owned = [];
    private readonly CancellationTokenSource _deadline;

    private protected StateScenarios(StateStoreFixture fixture)
    {
        Fixture = fixture;
        _deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        _deadline.CancelAfter(fixture.Patience * 6);
    }

    /// <summary>How soon a change is to be seen.</summary>
    private protected static TimeSpan Soon => TimeSpan.FromSeconds(1);

    private protected static TimeSpan Forever => Timeout.InfiniteTimeSpan;

    /// <summary>The store's fixture.</summary>
    protected StateStoreFixture Fixture { get; }

    /// <summary>The end of the scenario.</summary>
    internal CancellationToken Deadline => _deadline.Token;

    /// <summary>Skips the scenario where there is no server, and fails it where there must be one.</summary>
    public ValueTask InitializeAsync()
    {
        if (Fixture.WhyNoServer is { } why)
        {
            Assert.False(Environment.GetEnvironmentVariable("CI") == "true", $"no server: {why}");
            Assert.Skip($"no server: {why}");
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Closes what the scenario opened.</summary>
    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _deadline.CancelAsync().ConfigureAwait(false);
        for (var i = _owned.Count - 1; i >= 0; i--)
        {
            await _owned[i].DisposeAsync().AsTask().WaitAsync(Fixture.Patience, TimeProvider.System).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        _deadline.Dispose();
    }

    private protected static string NewKey() => $"s{Guid.NewGuid():N}.k";

    private protected static string Parent(string key) => key[..key.LastIndexOf('.')];

    private T Own<T>(T resource)
        where T : IAsyncDisposable
    {
        _owned.Add(resource);
        return resource;
    }

    private protected async ValueTask<IStateStore> ConnectAsync(TimeProvider? clock = null) =>
        Own(Fixture.Fault.Apply(await Fixture.ConnectAsync(clock, Deadline).ConfigureAwait(false), clock));

    private protected async ValueTask<IStateStore> ConnectAsync(IStateServerUnderTest server) =>
        Own(Fixture.Fault.Apply(await server.ConnectAsync(Deadline).ConfigureAwait(false), null));

    /// <summary>A running server that the scenario may kill. How long it takes to start says nothing of a store.</summary>
    private protected async ValueTask<IStateServerUnderTest> StartPrivateServerAsync()
    {
        Assert.SkipUnless(Fixture.CanKillServer, "The fixture has no server of its own to kill.");
        _deadline.CancelAfter(TimeSpan.FromMinutes(3));
        var server = Own(await Fixture.StartPrivateServerAsync(Deadline).ConfigureAwait(false));
        _deadline.CancelAfter(Fixture.Patience * 6);
        return server;
    }

    private protected async Task KillAsync(IStateServerUnderTest server)
    {
        await server.KillAsync(Deadline).ConfigureAwait(false);
        (Fixture.Fault.WasKilled, Fixture.Fault.IsAway) = (true, true);
    }

    private protected async Task StartAsync(IStateServerUnderTest server)
    {
        _deadline.CancelAfter(TimeSpan.FromMinutes(3));
        await server.StartAsync(Deadline).ConfigureAwait(false);
        Fixture.Fault.IsAway = false;
        _deadline.CancelAfter(Fixture.Patience * 6);
    }

    /// <summary>Puts what must not be there yet.</summary>
    private protected async Task<long> PutNewAsync(IStateStore store, string key, byte[] value, TimeSpan? timeToLive = null)
    {
        var revision = await store.PutAsync(key, value, 0, timeToLive ?? Forever, Deadline).AsTask().WaitAsync(Fixture.Patience, TimeProvider.System).ConfigureAwait(false);
        Assert.True(revision > 0, $"The key {key} could not be put although nothing is there: {revision}.");
        return revision.Value;
    }

    /// <summary>Waits until it is gone.</summary>
    private protected async Task GoneAsync(IStateStore store, string key)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (await store.GetAsync(key, Deadline).ConfigureAwait(false) is not null)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < Fixture.Patience, $"The entry {key} did not expire within {Fixture.Patience}.");
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Deadline).ConfigureAwait(false);
        }
    }

    private protected static Watcher Watch(IStateStore store, string prefix) => new(store, prefix);

    /// <summary>Reads a watch, and tells what it has seen.</summary>
    private protected sealed class Watcher : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _reading;
        private volatile IReadOnlyDictionary<string, StateEntry>? _seen;

        public Watcher(IStateStore store, string prefix) => _reading = Task.Run(async () =>
        {
            await foreach (var snapshot in store.WatchAsync(prefix, _stop.Token).ConfigureAwait(false))
            {
                _seen = snapshot;
            }
        });

        public async Task IsWithinAsync(TimeSpan limit, Func<IReadOnlyDictionary<string, StateEntry>, bool> isSo)
        {
            var started = TimeProvider.System.GetTimestamp();
            while (_seen is not { } seen || !isSo(seen))
            {
                Assert.False(_reading.IsCompleted, $"The watch has ended: {_reading.Exception?.InnerException}");
                Assert.True(
                    TimeProvider.System.GetElapsedTime(started) < limit + Allowance,
                    $"Within {limit} the watch saw only: {(_seen is null ? "nothing at all" : string.Join(", ", _seen.Select(static one => $"{one.Key} {one.Value.Revision}")))}.");
                await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System).ConfigureAwait(false);
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync().ConfigureAwait(false);
            await _reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _stop.Dispose();
        }

        /// <summary>For a machine that is busy with other tests.</summary>
        private static TimeSpan Allowance => TimeSpan.FromMilliseconds(500);
    }

    private protected sealed class ShiftedClock(TimeSpan shift) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + shift;
    }
}
