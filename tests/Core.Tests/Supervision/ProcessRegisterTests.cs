using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Supervision;

/// <summary>Every live host is listed, and no dead one.</summary>
public sealed class ProcessRegisterTests
{
    [Fact]
    public async Task All_live_hosts_are_listed_with_what_they_do_and_leave_when_they_stop()
    {
        var broker = new InMemoryBroker();
        await using var one = await HostAsync(broker, "one");
        var other = await HostAsync(broker, "other");
        await Eventually.IsAsync(async () => (await ListAsync(one)) is { Count: 2 } all && all.All(static process => process.Queues is [{ State: QueueState.Receiving }]));

        var listed = await ListAsync(other);
        Assert.Equal(["one", "other"], listed.Select(static process => process.Name));
        Assert.All(listed, static process =>
        {
            Assert.Equal((Environment.MachineName, Environment.ProcessId), (process.Host, process.ProcessId));
            Assert.Equal(new("registered", QueueState.Receiving, 3, 2), Assert.Single(process.Queues));
            Assert.True(process.MemoryBytes > 1_000_000);
            Assert.InRange(process.StartedAt, TimeProvider.System.GetUtcNow().AddMinutes(-1), TimeProvider.System.GetUtcNow());
        });

        await other.DisposeAsync();
        Assert.Equal(["one"], (await ListAsync(one)).Select(static process => process.Name));
    }

    [Fact]
    public async Task Heartbeats_keep_a_host_listed_beyond_its_time_to_live_and_its_states_are_told_at_once()
    {
        var broker = new InMemoryBroker();
        await using var host = await HostAsync(broker, "one");
        await Eventually.IsAsync(async () => (await ListAsync(host)).Count == 1);
        var first = (await ListAsync(host))[0];
        await Eventually.IsAsync(async () => (await ListAsync(host)) is [var now] && now.Id == first.Id && now.HeartbeatAt > first.HeartbeatAt + TimeSpan.FromSeconds(1.5));

        await using var slow = await HostAsync(broker, "slow", TimeSpan.FromHours(1));
        await Eventually.IsAsync(async () => (await ListAsync(host)).Any(static one => one.Name == "slow" && one.Queues[0].State == QueueState.Receiving));
        await slow.Services.GetRequiredService<IQueueControl>().PauseAsync("registered");
        await Eventually.IsAsync(async () => (await ListAsync(host)).Any(static one => one.Name == "slow" && one.Queues[0].State == QueueState.Paused));
    }

    [Fact]
    public async Task A_host_tells_how_many_messages_it_is_handling()
    {
        var (broker, finish) = (new InMemoryBroker(), new TaskCompletionSource());
        await using var host = await HostAsync(broker, "busy", handling: finish.Task);
        await host.Bus.PublishAsync(new Ping(1));
        await host.Bus.PublishAsync(new Ping(2));
        try
        {
            await Eventually.IsAsync(async () => (await ListAsync(host)) is [{ Queues: [{ Busy: 2, Concurrency: 3 }] }]);
        }
        finally
        {
            finish.SetResult();
        }

        await Eventually.IsAsync(async () => (await ListAsync(host)) is [{ Queues: [{ Busy: 0 }] }]);
    }

    [Fact]
    public async Task Who_was_taken_for_dead_stops_consuming_for_a_moment_and_comes_back_under_a_new_id()
    {
        var (broker, log, handled) = (new InMemoryBroker(), new ListLog(), new ConcurrentQueue<int>());
        var store = new CutStore(broker);
        await using var host = await TestHost.StartAsync(
            m =>
            {
                m.UseInMemory(broker).UseStateStore(_ => store).AddConsumer<Ping>(
                    "registered",
                    (ping, _, _) =>
                    {
                        handled.Enqueue(ping.Number);
                        return new(Outcome.Ack);
                    });
                m.Configure(static options => options with { HeartbeatInterval = TimeSpan.FromMilliseconds(200), ProcessTimeToLive = TimeSpan.FromMilliseconds(600) });
            },
            services => services.AddLogging(logging => logging.AddProvider(log)));
        await Eventually.IsAsync(async () => (await ListAsync(host)).Count == 1);
        var before = (await ListAsync(host))[0].Id;
        await Eventually.IsAsync(() => host.Status.Queues["registered"] == QueueState.Receiving);

        store.IsCut = true;
        await Eventually.IsAsync(async () => (await new InMemoryStateStore(broker).ListAsync("processes")).Count == 0);
        Assert.Equal(QueueState.Receiving, host.Status.Queues["registered"]);
        store.IsCut = false;

        await Eventually.IsAsync(async () => (await ListAsync(host)).Count == 1);
        Assert.NotEqual(before, (await ListAsync(host))[0].Id);
        Assert.Contains(log.Lines, static line => line.Text.Contains("taken for dead", StringComparison.Ordinal));
        await Eventually.IsAsync(() => log.Lines.Count(static line => line.Text.Contains("Receiving from the queue 'registered'", StringComparison.Ordinal)) == 2);
        await host.Bus.PublishAsync(new Ping(1));
        await Eventually.IsAsync(() => handled.Contains(1));
    }

    [Fact]
    public async Task A_store_that_is_away_does_not_stop_consuming()
    {
        var (broker, handled) = (new InMemoryBroker(), new ConcurrentQueue<int>());
        var store = new CutStore(broker);
        await using var host = await TestHost.StartAsync(m => m.UseInMemory(broker).UseStateStore(_ => store).AddConsumer<Ping>(
            "registered",
            (ping, _, _) =>
            {
                handled.Enqueue(ping.Number);
                return new(Outcome.Ack);
            }));
        await Eventually.IsAsync(() => host.Status.Queues["registered"] == QueueState.Receiving);
        store.IsCut = true;
        await host.Bus.PublishAsync(new Ping(1));
        await Eventually.IsAsync(() => handled.Contains(1));
        await Assert.ThrowsAsync<StateStoreException>(async () => await ListAsync(host));
    }

    [Theory]
    [InlineData(50, 1000)]
    [InlineData(1000, 1999)]
    public async Task Impossible_times_are_refused(int interval, int timeToLive)
    {
        await using var host = TestHost.Create(m => m.Configure(options => options with
        {
            HeartbeatInterval = TimeSpan.FromMilliseconds(interval),
            ProcessTimeToLive = TimeSpan.FromMilliseconds(timeToLive),
        }));
        await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync);
    }

    private static ValueTask<IReadOnlyList<MessagingProcess>> ListAsync(TestHost host) => host.Services.GetRequiredService<IMessagingProcesses>().GetAsync();

    private static Task<TestHost> HostAsync(InMemoryBroker broker, string name, TimeSpan? interval = null, Task? handling = null) => TestHost.StartAsync(m =>
    {
        m.UseInMemory(broker).AddConsumer<Ping>(
            "registered",
            async (_, _, _) =>
            {
                await (handling ?? Task.CompletedTask);
                return Outcome.Ack;
            },
            static options => options with { Concurrency = 3, ConsumerPriority = 2 });
        m.Configure(options => options with
        {
            Application = name,
            HeartbeatInterval = interval ?? TimeSpan.FromMilliseconds(200),
            ProcessTimeToLive = (interval ?? TimeSpan.FromMilliseconds(300)) * 2,
        });
    });
}
