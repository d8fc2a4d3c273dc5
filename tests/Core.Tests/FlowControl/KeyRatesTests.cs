using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.Consuming;
using Postrider.Core.FlowControl;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.FlowControl;

/// <summary>No key is handled faster than its rate, and none waits for another's.</summary>
public sealed class KeyRatesTests
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(1);

    private readonly FakeTimeProvider _time = new();
    private readonly Channel<InFlight> _work = Channel.CreateUnbounded<InFlight>();

    [Fact]
    public void Each_key_has_its_burst_and_then_its_rate()
    {
        var rates = Rates(new() { PerSecond = 10, Burst = 3 });
        Assert.Equal([TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero, Ms(100) + Tick, Ms(200) + Tick], Enumerable.Range(0, 5).Select(_ => rates.Take("a")));
        Assert.Equal(TimeSpan.Zero, rates.Take("b"));

        _time.Advance(Ms(250));
        Assert.Equal(Ms(50) + Tick, rates.Take("a"));
        rates.GiveBack("a");
        Assert.Equal(Ms(50) + Tick, rates.Take("a"));

        // A rest is worth a burst and no more.
        _time.Advance(TimeSpan.FromHours(1));
        Assert.Equal([TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero, Ms(100) + Tick], Enumerable.Range(0, 4).Select(_ => rates.Take("a")));
    }

    [Fact]
    public void Those_who_share_it_have_a_part_each()
    {
        var sharers = 4;
        var rates = new KeyRates(new() { PerSecond = 10, Burst = 8, Shared = true }, () => sharers, _time);
        Assert.Equal([TimeSpan.Zero, TimeSpan.Zero, Ms(400) + Tick], Enumerable.Range(0, 3).Select(_ => rates.Take("a")));
        sharers = 1;
        Assert.Equal(TimeSpan.Zero, rates.Take("b"));
    }

    [Fact]
    public void Keys_whose_buckets_are_full_again_are_forgotten_and_no_others()
    {
        var rates = Rates(new() { PerSecond = 0.01 });
        rates.Take("busy");
        rates.Take("busy");
        for (var i = 0; i < 100_000; i++)
        {
            _time.Advance(Ms(1000));
            rates.Take($"k{i}");
            Assert.InRange(rates.Count, 0, 1025);
            if (i < 150)
            {
                Assert.NotEqual(TimeSpan.Zero, rates.Take("busy"));
            }
        }
    }

    [Fact]
    public void The_longest_wait_is_one_that_a_timer_takes() => _time.CreateTimer(
        static _ => { }, null, new KeyRates(new() { PerSecond = 1.0 / 3600 }, static () => 10_000, _time) is var rates && rates.Take("a") == TimeSpan.Zero ? rates.Take("a") : default,
        Timeout.InfiniteTimeSpan).Dispose();

    [Fact]
    public void Without_an_order_those_beyond_the_rate_wait_and_the_others_pass()
    {
        var lanes = Lanes(MessageOrder.None, new() { PerSecond = 10, Burst = 2 });
        var slots = Enumerable.Range(0, 6).Select(static i => Slot($"{i}")).ToArray();
        Assert.Equal([true, true, false, false, false, false], slots.Select(slot => lanes.Enter(slot, "a")));
        Assert.True(lanes.Enter(Slot("b"), "b"));
        Assert.True(lanes.Enter(Slot("none"), null));
        Assert.Equal(4, lanes.Waiting);

        // That one has ended lets nobody pass.
        Assert.Empty(lanes.Leave("a", isEnd: false));
        Assert.Empty(AtWork());
        _time.Advance(Ms(101));
        Assert.Equal([slots[2]], AtWork());
        Assert.Equal(3, lanes.Waiting);
        _time.Advance(Ms(101));
        Assert.Equal([slots[3]], AtWork());

        // The rest goes back, and the token that was waited for is another's.
        Assert.Equal([slots[4], slots[5]], lanes.Close());
        Assert.Equal(0, lanes.Waiting);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Empty(AtWork());
    }

    [Fact]
    public void In_order_one_runs_when_the_one_before_has_ended_and_there_is_a_token()
    {
        var lanes = Lanes(MessageOrder.ByKeyWithRetries, new() { PerSecond = 10 });
        var slots = Enumerable.Range(0, 3).Select(static i => Slot($"{i}")).ToArray();
        Assert.Equal([true, false, false], slots.Select(slot => lanes.Enter(slot, "a")));
        _time.Advance(Ms(500));
        Assert.Empty(AtWork());
        lanes.Leave("a", isEnd: false);
        Assert.Equal([slots[1]], AtWork());
        lanes.Leave("a", isEnd: false);
        Assert.Empty(AtWork());
        Assert.Equal(1, lanes.Waiting);
        _time.Advance(Ms(101));
        Assert.Equal([slots[2]], AtWork());

        // A retry is a run, too.
        var retry = Settlement.Retry(slots[2].Delivery!, TimeSpan.Zero);
        Assert.True(lanes.Hold(slots[2], ref retry));
        Assert.Empty(AtWork());
        _time.Advance(Ms(101));
        Assert.Equal([slots[2]], AtWork());
    }

    [Fact]
    public void What_waits_for_a_token_makes_room_for_suspects_and_what_is_held_for_a_retry_stays()
    {
        var lanes = Lanes(MessageOrder.ByKeyWithRetries, new() { PerSecond = 10, Burst = 1 });
        var (one, two, three, other) = (Slot("1"), Slot("2"), Slot("3"), Slot("4"));
        lanes.Enter(one, "a");
        lanes.Enter(two, "a");
        lanes.Enter(three, "a");
        lanes.Leave("a", isEnd: false);
        lanes.Enter(other, "b");
        var retry = Settlement.Retry(other.Delivery!, Ms(5000));
        Assert.True(lanes.Hold(other, ref retry));

        Assert.Equal([two, three], lanes.TakeLimited());
        Assert.Equal(0, lanes.Waiting);

        // Its token was given back, and its key is free.
        Assert.False(lanes.Enter(two, "a"));
        _time.Advance(Ms(101));
        Assert.Equal([two], AtWork());
        Assert.Equal([other], lanes.Close());
    }

    [Fact]
    public async Task A_consumer_keeps_to_it_for_each_key_in_one_window()
    {
        var (broker, handled) = (new InMemoryBroker(), new ConcurrentQueue<string>());
        await using var host = await HostAsync(broker, handled, static options => options with { RateLimitPerKey = new() { PerSecond = 2, Burst = 3 }, Concurrency = 2 });
        for (var i = 0; i < 100; i++)
        {
            await host.Bus.PublishAsync(new Ping(i), new PublishOptions { Key = "noisy" });
        }

        await host.Bus.PublishAsync(new Ping(1), new PublishOptions { Key = "quiet" });
        await host.Bus.PublishAsync(new Ping(2));
        await Eventually.IsAsync(() => handled.Count == 5);
        Assert.Equal(["", "noisy", "noisy", "noisy", "quiet"], handled.Order(StringComparer.Ordinal));
        for (var i = 6; i <= 10; i++)
        {
            await Eventually.IsAsync(() =>
            {
                _time.Advance(TimeSpan.FromMilliseconds(20));
                return handled.Count >= i;
            });
            Assert.Equal(i, handled.Count);
        }

        // What waits goes back at the end, no attempt burnt.
        await host.StopAsync();
        IQueueDepth transport = new InMemoryTransport(broker);
        Assert.Equal(92, (await transport.DepthAsync("limited", default)).Total);
        await using var bare = new InMemoryTransport(broker);
        await using var receiver = await bare.OpenReceiverAsync(new() { Queue = "limited", Prefetch = 100 }, default);
        Assert.All(await receiver.ReceiveAsync(100, default), static delivery => Assert.Equal((1, 0), (delivery.Envelope.Attempt, delivery.Redeliveries)));
    }

    [Fact]
    public async Task A_suspect_does_not_wait_until_all_have_had_their_tokens()
    {
        await using var parts = new ConsumingParts();
        RateLimitOptions limit = new() { PerSecond = 0.001 };
        (parts.Queue, parts.KeyRates) = (parts.Queue with { RateLimitPerKey = limit }, new(limit, static () => 1, parts.Time));
        var pump = parts.Pump();
        parts.Receiver.Bring(Keyed("runs"), Keyed("waits"));
        await Eventually.IsAsync(() => parts.Receiver.Told.Contains(("runs", SettlementKind.Ack)));
        parts.Receiver.Bring(Keyed("suspect", redeliveries: 2));

        await Eventually.IsAsync(() => parts.Receiver.Told.Contains(("suspect", SettlementKind.Ack)));
        Assert.Equal([("runs", SettlementKind.Ack), ("waits", SettlementKind.Release), ("suspect", SettlementKind.Ack)], parts.Receiver.Told);
        await parts.StopAsync(pump);

        static ScriptedDelivery Keyed(string id, int redeliveries = 0) => new(id, redeliveries, static envelope => envelope with { Key = "a" });
    }

    [Fact]
    public async Task Impossible_limits_are_refused_and_shared_ones_need_a_state_store()
    {
        await using var wrong = TestHost.Create(static m => m.AddConsumer<Ping>(
            "limited", static (_, _, _) => new(Outcome.Ack), static options => options with { RateLimitPerKey = new() { PerSecond = 0 } }));
        Assert.Contains("RateLimitPerKey", (await Assert.ThrowsAsync<MessagingConfigurationException>(wrong.StartAsync)).Message, StringComparison.Ordinal);

        await using var alone = TestHost.Create(static m => m.UseTransport("bare", static _ => new ScriptedTransport()).AddConsumer<Ping>(
            "limited", static (_, _, _) => new(Outcome.Ack), static options => options with { RateLimitPerKey = new() { PerSecond = 1, Shared = true } }));
        Assert.Contains("state store", (await Assert.ThrowsAsync<MessagingConfigurationException>(alone.StartAsync)).Message, StringComparison.Ordinal);
    }

    private static TimeSpan Ms(int milliseconds) => TimeSpan.FromMilliseconds(milliseconds);

    private KeyRates Rates(RateLimitOptions options) => new(options, static () => 1, _time);

    private KeyedLanes Lanes(MessageOrder order, RateLimitOptions options) => new(
        ConsumingParts.QueueOf(new("orders:tests.order", static _ => new(Outcome.Ack), RetryPolicy.Default)) with { Order = order }, _work.Writer, _time, Rates(options));

    private Task<TestHost> HostAsync(InMemoryBroker broker, ConcurrentQueue<string> handled, Func<ConsumerOptions, ConsumerOptions> change) => TestHost.StartAsync(
        m => m.UseInMemory(broker).AddConsumer<Ping>(
            "limited",
            (_, context, _) =>
            {
                handled.Enqueue(context.Key ?? "");
                return new(Outcome.Ack);
            },
            change),
        services => services.AddSingleton<TimeProvider>(_time));

    private static InFlight Slot(string id)
    {
        var slot = new InFlight();
        slot.Fill(new ScriptedDelivery(id));
        return slot;
    }

    private List<InFlight> AtWork()
    {
        var slots = new List<InFlight>();
        while (_work.Reader.TryRead(out var slot))
        {
            slots.Add(slot);
        }

        return slots;
    }
}
