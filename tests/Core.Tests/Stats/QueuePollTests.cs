using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.InMemory;
using Postrider.Core.State;
using Postrider.Core.Stats;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Stats;

/// <summary>What hosts tell of the queues that they consume.</summary>
public sealed class QueuePollTests
{
    private const string Queue = "polled-orders";

    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddDays(20_000));
    private readonly InMemoryBroker _broker;

    public QueuePollTests() => _broker = new(_time);

    [Fact]
    public async Task Each_queue_is_counted_by_one_host_and_by_another_when_that_has_ended()
    {
        var one = await StartAsync();
        var other = await StartAsync();
        await one.Bus.PublishAsync(new Ping(1, "dead"));
        await one.Bus.PublishAsync(new Ping(1), new() { Delay = TimeSpan.FromDays(100) });
        await Eventually.IsAsync(() => Stats(one).GetOwn().Handled.Counts.DeadLettered + Stats(other).GetOwn().Handled.Counts.DeadLettered == 1);

        await UntilAsync(() => Own(one).Depth is not null || Own(other).Depth is not null);
        var (counts, waits) = Own(one).Depth is not null ? (one, other) : (other, one);
        for (var i = 0; i < 100; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(5));
            Assert.Equal((null, null, null), (Own(waits).Depth, Own(waits).DeadLetters, Own(waits).CountedAt));
            var looked = Own(counts).CountedAt;
            await Eventually.IsAsync(() => _time.GetUtcNow() - Own(counts).CountedAt <= QueuePoll.Interval + TimeSpan.FromSeconds(5) || Own(counts).CountedAt > looked);
        }

        Assert.Equal((1, 1), (Own(counts).Depth, Own(counts).DeadLetters));
        await counts.DisposeAsync();
        await UntilAsync(() => Own(waits) is { Depth: 1, DeadLetters: 1 });
        await waits.DisposeAsync();
    }

    [Fact]
    public async Task Another_host_counts_when_the_first_was_killed()
    {
        await using var store = new InMemoryStateStore(_broker);
        var revision = await store.PutAsync($"polls.{Queue}", "killed"u8.ToArray(), 0, Timeout.InfiniteTimeSpan);
        await using var host = await StartAsync();
        for (var i = 0; i < 100; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(5));
            Assert.Null(Own(host).Depth);
        }

        await store.PutAsync($"polls.{Queue}", "killed"u8.ToArray(), revision!.Value, StateKey.ShortestLife);
        await UntilAsync(() => Own(host).Depth == 0);
    }

    [Fact]
    public async Task A_host_looks_by_itself_and_tells_of_what_it_is_busy_with()
    {
        var finish = new TaskCompletionSource();
        await using var host = await StartAsync(finish.Task);
        await host.Bus.PublishAsync(new Ping(1, "wait"));
        QueueStats busy;
        IEnumerable<(string, double)> measured;
        try
        {
            await UntilAsync(() => Own(host) is { Busy: 1, Depth: 1 });
            (busy, measured) = (Own(host), Gauges());
        }
        finally
        {
            finish.SetResult();
        }

        Assert.Equal((1, 3), (busy.Hosts, busy.Capacity));
        Assert.Equal((0, 1, 0), (busy.Ready, busy.Unsettled, busy.DeadLetters));
        Assert.InRange(busy.OldestAge!.Value, TimeSpan.FromTicks(1), QueuePoll.Interval + TimeSpan.FromSeconds(5));
        Assert.Equal(
            [
                ("postrider.queue.busy", 1), ("postrider.queue.capacity", 3), ("postrider.queue.circuit", 0), ("postrider.queue.dead_letters", 0), ("postrider.queue.depth", 1),
                ("postrider.queue.oldest_age", busy.OldestAge.Value.TotalSeconds), ("postrider.queue.paused", 0), ("postrider.queue.ready", 0), ("postrider.queue.unsettled", 1),
            ],
            measured);
        await UntilAsync(() => Own(host) is { Busy: 0, Depth: 0 });
    }

    [Fact]
    public async Task A_queue_that_is_gone_is_counted_no_more()
    {
        await using var transport = new InMemoryTransport(_broker);
        await transport.DeclareAsync(new(["tenant"], []), CancellationToken.None);
        await using var store = new InMemoryStateStore(_broker);
        await using var host = await TestHost.StartAsync(
            messaging => messaging.UseInMemory(_broker).AddConsumer<Ping>("tenan*", static (_, _, _) => new(Outcome.Ack)),
            services => services.AddSingleton<TimeProvider>(_time));
        var poll = host.Services.GetRequiredService<QueuePoll>();
        await Eventually.IsAsync(() => host.Status.Queues.GetValueOrDefault("tenant") == QueueState.Receiving);
        await poll.LookAsync(CancellationToken.None);
        Assert.Equal(0, Own(host).Depth);
        Assert.NotNull(await store.GetAsync("polls.tenant"));

        _broker.DeleteQueue("tenant");
        await Eventually.IsAsync(() => Stats(host).GetOwn().Queues is []);
        await poll.LookAsync(CancellationToken.None);
        Assert.Null(await store.GetAsync("polls.tenant"));
        Assert.Empty(poll.All);
    }

    [Fact]
    public async Task A_pause_and_an_open_circuit_are_told_at_once_also_by_a_host_that_does_not_look()
    {
        await using var one = await StartAsync();
        await using var other = await StartAsync();
        var control = one.Services.GetRequiredService<IQueueControl>();
        Assert.Equal((false, CircuitState.Closed), (Own(one).IsPaused, Own(one).Circuit));

        await control.PauseAsync(Queue);
        Assert.True((await AllAsync(other)).IsPaused);
        await Eventually.IsAsync(() => Own(one).IsPaused && Own(other).IsPaused);
        Assert.Contains(("postrider.queue.paused", 1), Gauges());
        await control.ResumeAsync(Queue);
        Assert.False((await AllAsync(other)).IsPaused);
        await Eventually.IsAsync(() => !Own(one).IsPaused && !Own(other).IsPaused);

        await one.Bus.PublishAsync(new Ping(1, "fail"));
        await Eventually.IsAsync(async () => (await AllAsync(other)).Circuit == CircuitState.Open);
        await Eventually.IsAsync(() => Own(one).Circuit == CircuitState.Open && Own(other).Circuit == CircuitState.Open);
        Assert.Contains(("postrider.queue.circuit", 2), Gauges());

        // The pause is over by the store's clock, and the one that tries fails once more or not at all.
        await using var store = new InMemoryStateStore(_broker);
        var open = await store.GetAsync($"circuits.open.{Queue}");
        await control.PauseAsync(Queue);
        await store.DeleteAsync($"circuits.open.{Queue}", open!.Revision);
        Assert.Equal(CircuitState.HalfOpen, (await AllAsync(other)).Circuit);
        await Eventually.IsAsync(() => Own(one).Circuit == CircuitState.HalfOpen);
        await control.ResumeAsync(Queue);
        Assert.Equal(CircuitState.Closed, (await AllAsync(one)).Circuit);
    }

    [Fact]
    public async Task A_host_without_a_state_store_tells_of_its_own_circuit()
    {
        await using var host = await TestHost.StartAsync(messaging => Register(messaging.UseTransport("no state", _ => new StatelessTransport(new InMemoryTransport(_broker)))));
        await host.Bus.PublishAsync(new Ping(1, "fail"));

        await Eventually.IsAsync(() => Own(host).Circuit == CircuitState.Open);

        Assert.Equal((false, CircuitState.Open), ((await AllAsync(host)).IsPaused, (await AllAsync(host)).Circuit));
    }

    [Fact]
    public void What_was_counted_later_counts_and_the_rest_is_added()
    {
        var now = DateTimeOffset.UnixEpoch;
        var (early, late) = (TimeSpan.FromSeconds(8), TimeSpan.FromSeconds(2));
        var one = new QueueStats
        {
            Queue = "q",
            Hosts = 1,
            Busy = 2,
            Capacity = 10,
            Depth = 5,
            Ready = 2,
            Unsettled = 3,
            OldestAge = early,
            DeadLetters = 1,
            CountedAt = now,
            IsPaused = true,
            Circuit = CircuitState.HalfOpen,
        };
        var other = new QueueStats
        {
            Queue = "q",
            Hosts = 2,
            Busy = 3,
            Capacity = 20,
            Depth = 7,
            Ready = 6,
            OldestAge = late,
            DeadLetters = 0,
            CountedAt = now.AddSeconds(1),
            Circuit = CircuitState.Open,
        };
        var none = new QueueStats { Queue = "q", Hosts = 1, Busy = 1, Capacity = 5 };
        var merged = new QueueStats
        {
            Queue = "q",
            Hosts = 3,
            Busy = 5,
            Capacity = 30,
            Depth = 7,
            Ready = 6,
            OldestAge = late,
            DeadLetters = 0,
            CountedAt = now.AddSeconds(1),
            IsPaused = true,
            Circuit = CircuitState.Open,
        };

        Assert.Equal(merged, one.Merge(other));
        Assert.Equal(merged, other.Merge(one));
        Assert.Equal(one with { Hosts = 2, Busy = 3, Capacity = 15 }, one.Merge(none));
        Assert.Equal(one with { Hosts = 2, Busy = 3, Capacity = 15 }, none.Merge(one));
        Assert.Equal(merged, Assert.Single(StatsSnapshot.Merge([new() { Queues = [one] }, new() { Queues = [other] }]).Queues));
    }

    private static IMessagingStats Stats(TestHost host) => host.Services.GetRequiredService<IMessagingStats>();

    private static QueueStats Own(TestHost host) => Assert.Single(Stats(host).GetOwn().Queues);

    private static async Task<QueueStats> AllAsync(TestHost host) => Assert.Single((await Stats(host).GetAllAsync()).Queues);

    private static IEnumerable<(string, double)> Gauges() => Measured.Now("postrider.queue.", "messaging.destination.name", Queue);

    private Task UntilAsync(Func<bool> condition) => Eventually.IsAsync(() =>
    {
        _time.Advance(TimeSpan.FromSeconds(1));
        return condition();
    });

    /// <summary>On the shared broker, which is its state store too.</summary>
    private Task<TestHost> StartAsync(Task? wait = null) =>
        TestHost.StartAsync(messaging => Register(messaging.UseInMemory(_broker), wait), services => services.AddSingleton<TimeProvider>(_time));

    private static void Register(MessagingBuilder messaging, Task? wait = null) => messaging.AddConsumer<Ping>(
        Queue,
        async (ping, _, _) =>
        {
            await (ping.Text == "wait" ? wait! : Task.CompletedTask);
            return ping.Text switch { "dead" => Outcome.DeadLetter("no"), "fail" => throw new InvalidOperationException("It fails."), _ => Outcome.Ack };
        },
        static options => options with { Concurrency = 3, CircuitBreaker = new() { Failures = 1, Pause = TimeSpan.FromDays(1), LongestPause = TimeSpan.FromDays(1) } });
}
