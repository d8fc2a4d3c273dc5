using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.InMemory;
using Postrider.Core.State;
using Postrider.Core.Stats;
using Postrider.Core.Supervision;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Stats;

/// <summary>The numbers of several hosts, which share a state store.</summary>
public sealed class StatsShareTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddDays(20_000));
    private readonly InMemoryBroker _shared;
    private readonly InMemoryStateStore _store;

    public StatsShareTests()
    {
        _shared = new(_time);
        _store = new(_shared);
    }

    [Fact]
    public async Task All_hosts_are_seen_together_while_they_live()
    {
        await using var one = await StartAsync();
        var other = await StartAsync();
        await one.Bus.PublishAsync(new Ping(1));
        await other.Bus.PublishAsync(new Ping(1));
        await other.Bus.PublishAsync(new Ping(1));

        await UntilAsync(async () => (await Stats(one).GetAllAsync()) is { Processes.Length: 2, Published.Stored: 3, Handled.Counts.Acked: 3 });
        await UntilAsync(async () => (await Stats(other).GetAllAsync()) is { Processes.Length: 2, Published.Stored: 3 });
        Assert.Equal(1, Stats(one).GetOwn().Published.Stored);
        var process = Stats(one).GetOwn().Processes.Single();
        var identity = one.Services.GetRequiredService<HostIdentity>();
        Assert.Equal(
            new(identity.Id, identity.Name, Environment.MachineName, Environment.ProcessId, identity.StartedAt, identity.Version), process);

        // It is put again and again.
        for (var i = 0; i < 3; i++)
        {
            var revision = await RevisionAsync(other);
            await UntilAsync(async () => await RevisionAsync(other) > revision);
        }

        await other.DisposeAsync();
        Assert.Single((await Stats(one).GetAllAsync()).Processes);
    }

    [Fact]
    public async Task A_host_that_was_killed_is_forgotten_when_its_entry_has_expired()
    {
        await using var host = await StartAsync();
        var killed = StatsValue.Write(new() { Processes = [new("killed", "shop", "host", 1, default, null)] }, StateKey.MaxValueBytes)!;
        var revision = await _store.PutAsync("stats.killed", killed, 0, Timeout.InfiniteTimeSpan);
        Assert.Contains("killed", (await Stats(host).GetAllAsync()).Processes.Select(static process => process.Id));

        await _store.PutAsync("stats.killed", killed, revision!.Value, StateKey.ShortestLife);

        await Eventually.IsAsync(async () => (await Stats(host).GetAllAsync()).Processes.Length == 1);
    }

    [Fact]
    public async Task An_entry_that_is_gone_or_was_taken_is_put_again()
    {
        await using var host = await StartAsync();
        var key = Key(host);
        await UntilAsync(async () => await _store.GetAsync(key) is not null);

        var entry = await _store.GetAsync(key);
        Assert.True(await _store.DeleteAsync(key, entry!.Revision));
        await UntilAsync(async () => await _store.GetAsync(key) is not null);

        entry = await _store.GetAsync(key);
        var taken = await _store.PutAsync(key, new byte[] { 1 }, entry!.Revision, Timeout.InfiniteTimeSpan);
        await UntilAsync(async () => (await _store.GetAsync(key))!.Revision > taken);
    }

    [Fact]
    public async Task What_cannot_be_read_is_left_out_and_told()
    {
        var log = new ListLog();
        await using var host = await StartAsync(services => services.AddLogging(logging => logging.AddProvider(log)));
        await _store.PutAsync("stats.strange", new byte[] { 1, 2, 3 }, 0, Timeout.InfiniteTimeSpan);

        Assert.Single((await Stats(host).GetAllAsync()).Processes);
        Assert.Single(log.Lines, static line => line.Text.Contains("stats.strange", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_outage_of_the_store_is_told_once_and_goes_by()
    {
        var log = new ListLog();
        var flaky = new FlakyStore(_store);
        await using var host = await StartAsync(services => services.AddLogging(logging => logging.AddProvider(log)), flaky);
        flaky.IsAway = true;
        await UntilAsync(() => Task.FromResult(flaky.Refused >= 3));

        Assert.Single(log.Lines, static line => line.Text.Contains("cannot be shared", StringComparison.Ordinal));
        await Assert.ThrowsAsync<StateStoreException>(() => Stats(host).GetAllAsync().AsTask());
        Assert.Single(Stats(host).GetOwn().Processes);

        flaky.IsAway = false;
        await UntilAsync(async () => await _store.GetAsync(Key(host)) is not null);
        Assert.Equal(TimeSpan.FromSeconds(30), flaky.Lives[Key(host)]);
    }

    [Fact]
    public async Task A_host_without_a_store_tells_of_itself()
    {
        await using var host = await TestHost.StartAsync(static messaging => messaging.UseTransport("bare", static _ => new ScriptedTransport()));

        Assert.Single((await Stats(host).GetAllAsync()).Processes);
    }

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    private static IMessagingStats Stats(TestHost host) => host.Services.GetRequiredService<IMessagingStats>();

    private static string Key(TestHost host) => $"stats.{host.Services.GetRequiredService<HostIdentity>().Id}";

    private async Task<long> RevisionAsync(TestHost host) => (await _store.GetAsync(Key(host)))?.Revision ?? 0;

    private Task UntilAsync(Func<Task<bool>> condition) => Eventually.IsAsync(async () =>
    {
        _time.Advance(TimeSpan.FromSeconds(1));
        return await condition();
    });

    private Task<TestHost> StartAsync(Action<IServiceCollection>? services = null, IStateStore? store = null) => TestHost.StartAsync(
        messaging => messaging.UseStateStore(_ => store ?? new InMemoryStateStore(_shared)).AddConsumer<Ping>("orders", static (_, _, _) => new(Outcome.Ack)),
        collection =>
        {
            collection.AddSingleton<TimeProvider>(_time);
            services?.Invoke(collection);
        });

    private sealed class FlakyStore(IStateStore inner) : IStateStore
    {
        private volatile int _refused;

        public volatile bool IsAway;

        public ConcurrentDictionary<string, TimeSpan> Lives { get; } = [];

        /// <summary>How often the host's numbers were to be read or written in vain.</summary>
        public int Refused => _refused;

        public ValueTask<StateEntry?> GetAsync(string key, CancellationToken cancellationToken) => Check(key).GetAsync(key, cancellationToken);

        public ValueTask<long?> PutAsync(string key, ReadOnlyMemory<byte> value, long revision, TimeSpan timeToLive, CancellationToken cancellationToken)
        {
            Lives[key] = timeToLive;
            return Check(key).PutAsync(key, value, revision, timeToLive, cancellationToken);
        }

        public ValueTask<bool> DeleteAsync(string key, long revision, CancellationToken cancellationToken) => Check().DeleteAsync(key, revision, cancellationToken);

        public ValueTask<IReadOnlyDictionary<string, StateEntry>> ListAsync(string prefix, CancellationToken cancellationToken) =>
            Check().ListAsync(prefix, cancellationToken);

        public IAsyncEnumerable<IReadOnlyDictionary<string, StateEntry>> WatchAsync(string prefix, CancellationToken cancellationToken) =>
            Check().WatchAsync(prefix, cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private IStateStore Check(string key = "")
        {
            if (!IsAway)
            {
                return inner;
            }

            if (key.StartsWith("stats.", StringComparison.Ordinal))
            {
                Interlocked.Increment(ref _refused);
            }

            throw new StateStoreException("The store is away.", isTransient: true);
        }
    }
}
