using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;
using Postrider.Core.State;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.FlowControl;

/// <summary>One process at a time consumes, and another goes on when it cannot any more.</summary>
public sealed class SingleActiveTests
{
    [Fact]
    public async Task One_consumes_and_the_other_stands_by_until_the_first_stops()
    {
        var (broker, by) = (new InMemoryBroker(), new ConcurrentQueue<string>());
        await using var first = await HostAsync(broker, "first", by);
        await IsAsync(first, QueueState.Receiving);
        await using var second = await HostAsync(broker, "second", by);
        await IsAsync(second, QueueState.Standby);
        Assert.True(second.Status.IsHealthy);

        await SendAsync(first, 50);
        await Eventually.IsAsync(() => by.Count == 50);
        Assert.All(by, static one => Assert.Equal("first", one));

        var watch = Stopwatch.StartNew();
        await first.StopAsync();
        await IsAsync(second, QueueState.Receiving);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(2), $"It took {watch.Elapsed}, as if the lock had to expire.");
        await SendAsync(second, 1);
        await Eventually.IsAsync(() => by.Contains("second"));
    }

    [Fact]
    public async Task When_the_holder_is_cut_off_its_handlers_are_cancelled_before_another_begins_within_five_seconds()
    {
        var broker = new InMemoryBroker();
        var running = new ConcurrentDictionary<string, int>();
        var overlaps = 0;
        var store = new CutStore(broker);
        await using var first = await SlowAsync("first", m => m.UseStateStore(_ => store));
        await IsAsync(first, QueueState.Receiving);
        await using var second = await SlowAsync("second", static _ => { });
        await IsAsync(second, QueueState.Standby);
        await SendAsync(second, 40);
        await Eventually.IsAsync(() => running.GetValueOrDefault("first") == 4);

        var watch = Stopwatch.StartNew();
        store.IsCut = true;
        await Eventually.IsAsync(() => running.GetValueOrDefault("second") > 0);

        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"It took {watch.Elapsed}.");
        Assert.Equal(0, running["first"]);
        Assert.Equal(0, overlaps);
        await IsAsync(first, QueueState.Standby);

        // Whoever comes back stands by.
        store.IsCut = false;
        await IsAsync(second, QueueState.Receiving);
        await IsAsync(first, QueueState.Standby);

        Task<TestHost> SlowAsync(string name, Action<MessagingBuilder> register) => TestHost.StartAsync(m =>
        {
            register(m.UseInMemory(broker).AddConsumer<Ping>(
                "alone",
                async (_, context, _) =>
                {
                    running.AddOrUpdate(name, 1, static (_, count) => count + 1);
                    try
                    {
                        if (running.Any(one => one.Key != name && one.Value > 0))
                        {
                            Interlocked.Increment(ref overlaps);
                        }

                        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.CancellationToken);
                        return Outcome.Ack;
                    }
                    finally
                    {
                        running.AddOrUpdate(name, 0, static (_, count) => count - 1);
                    }
                },
                static options => options with { SingleActive = true, Concurrency = 4 }));
            m.Configure(static options => options with { DrainTimeout = TimeSpan.FromSeconds(1) });
        });
    }

    [Fact]
    public async Task Order_by_key_holds_over_processes_when_the_active_one_changes()
    {
        var (broker, handled) = (new InMemoryBroker(), new ConcurrentQueue<Ping>());
        var hosts = new List<TestHost>();
        for (var i = 0; i < 3; i++)
        {
            hosts.Add(await TestHost.StartAsync(m => m.UseInMemory(broker).AddConsumer<Ping>(
                "alone",
                async (ping, _, _) =>
                {
                    await Task.Yield();
                    handled.Enqueue(ping);
                    return Outcome.Ack;
                },
                static options => options with { SingleActive = true, Order = MessageOrder.ByKey })));
        }

        const int count = 3000;
        var publishing = Task.Run(async () =>
        {
            for (var i = 0; i < count; i++)
            {
                await hosts[2].Bus.PublishAsync(new Ping(i), new PublishOptions { Key = $"k{i % 7}" });
            }
        });
        await Eventually.IsAsync(() => handled.Count > count / 10);
        await hosts[0].DisposeAsync();
        await Eventually.IsAsync(() => handled.Count > count / 2);
        await hosts[1].DisposeAsync();
        await publishing;
        await Eventually.IsAsync(() => handled.Count >= count);
        await hosts[2].DisposeAsync();

        Assert.All(handled.GroupBy(static one => one.Number % 7), static key => Assert.Equal(key.Select(static one => one.Number).Order(), key.Select(static one => one.Number)));
    }

    [Fact]
    public async Task Without_a_state_store_it_is_refused_at_start()
    {
        await using var host = TestHost.Create(m => m.UseTransport("bare", _ => new ScriptedTransport()).AddConsumer<Ping>(
            "alone", static (_, _, _) => new(Outcome.Ack), static options => options with { SingleActive = true }));
        var refused = await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync);

        Assert.Contains("'alone'", refused.Message, StringComparison.Ordinal);
        Assert.Contains("UsePostgresState", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_paused_queue_is_nobodys_turn()
    {
        var (broker, by) = (new InMemoryBroker(), new ConcurrentQueue<string>());
        await using var first = await HostAsync(broker, "first", by);
        await IsAsync(first, QueueState.Receiving);
        await using var second = await HostAsync(broker, "second", by);
        await first.Services.GetRequiredService<IQueueControl>().PauseAsync("alone");
        await IsAsync(first, QueueState.Paused);
        await IsAsync(second, QueueState.Paused);
        await Eventually.IsAsync(async () => (await new InMemoryStateStore(broker).ListAsync(StateLock.Prefix)).Count == 0);
        await first.Services.GetRequiredService<IQueueControl>().ResumeAsync("alone");
        await Eventually.IsAsync(() =>
            new[] { first.Status.Queues["alone"], second.Status.Queues["alone"] }.Order().SequenceEqual([QueueState.Receiving, QueueState.Standby]));
    }

    private static Task IsAsync(TestHost host, QueueState state) => Eventually.IsAsync(() => host.Status.Queues["alone"] == state);

    private static async Task SendAsync(TestHost host, int count)
    {
        for (var i = 0; i < count; i++)
        {
            await host.Bus.PublishAsync(new Ping(i));
        }
    }

    private static Task<TestHost> HostAsync(InMemoryBroker broker, string name, ConcurrentQueue<string> by) => TestHost.StartAsync(m => m.UseInMemory(broker).AddConsumer<Ping>(
        "alone",
        (_, _, _) =>
        {
            by.Enqueue(name);
            return new(Outcome.Ack);
        },
        static options => options with { SingleActive = true }));
}
