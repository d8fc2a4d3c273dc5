using Postrider.Core.InMemory;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.InMemory;

public sealed class TimeTests
{
    private static readonly TimeSpan Tick = TimeSpan.FromTicks(1);

    [Theory]
    [InlineData(1)]
    [InlineData(TimeSpan.TicksPerMillisecond + 1)]
    [InlineData(TimeSpan.TicksPerDay * 400)]
    public async Task A_delayed_message_comes_at_its_tick_and_not_before(long ticks)
    {
        await using var bench = await Bench.StartAsync();
        var waiting = await bench.OpenAsync();
        var looking = await bench.OpenAsync();
        var pending = waiting.ReceiveAsync(1, Bench.Token);
        await bench.SendAsync("1", TimeSpan.FromTicks(ticks));

        bench.Time.Advance(TimeSpan.FromTicks(ticks - 1));
        await Bench.NothingThereAsync(looking);
        Assert.False(pending.IsCompleted);
        bench.Time.Advance(Tick);

        Assert.Equal("1", Assert.Single(await Bench.Soon(pending)).Envelope.Id);
    }

    [Fact]
    public async Task The_longest_delay_is_for_ever()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        await bench.SendAsync("1", TimeSpan.MaxValue);

        bench.Time.Advance(TimeSpan.FromDays(10_000));

        await Bench.NothingThereAsync(receiver);
    }

    [Fact]
    public async Task Delayed_messages_come_in_the_order_in_which_they_are_due_and_among_equals_as_published()
    {
        await using var bench = await Bench.StartAsync();
        await bench.SendAsync("late", TimeSpan.FromSeconds(2));
        await bench.SendAsync("soon 1", TimeSpan.FromSeconds(1));
        await bench.SendAsync("soon 2", TimeSpan.FromSeconds(1));
        await bench.SendAsync("now", TimeSpan.FromSeconds(-5));

        bench.Time.Advance(TimeSpan.FromHours(1));

        var deliveries = await Bench.Soon((await bench.OpenAsync()).ReceiveAsync(10, Bench.Token));
        Assert.Equal(["now", "soon 1", "soon 2", "late"], deliveries.Select(delivery => delivery.Envelope.Id));
    }

    [Fact]
    public async Task A_sooner_message_shortens_the_wait()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        await bench.SendAsync("late", TimeSpan.FromHours(1));
        var pending = receiver.ReceiveAsync(1, Bench.Token);
        await bench.SendAsync("soon", TimeSpan.FromSeconds(1));

        bench.Time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal("soon", Assert.Single(await Bench.Soon(pending)).Envelope.Id);
    }

    [Fact]
    public async Task Every_lease_that_runs_out_is_a_redelivery_at_its_tick()
    {
        await using var bench = await Bench.StartAsync();
        var holder = await bench.OpenAsync();
        var looking = await bench.OpenAsync();
        await bench.SendAsync("1");

        for (var redeliveries = 0; redeliveries < 4; redeliveries++)
        {
            var delivery = await Bench.NextAsync(holder);
            Assert.Equal((redeliveries, 1), (delivery.Redeliveries, delivery.Envelope.Attempt));
            bench.Time.Advance(Bench.Lease - Tick);
            await Bench.NothingThereAsync(looking);
            bench.Time.Advance(Tick);
        }
    }

    [Fact]
    public async Task A_waiting_receiver_gets_what_anothers_lease_gives_free()
    {
        await using var bench = await Bench.StartAsync();
        var holder = await bench.OpenAsync(lease: TimeSpan.FromSeconds(10));
        var waiting = await bench.OpenAsync(lease: TimeSpan.FromHours(1));
        await bench.SendAsync("first");
        Assert.Equal("first", (await Bench.NextAsync(waiting)).Envelope.Id);
        await bench.SendAsync("second");
        await Bench.NextAsync(holder);
        var pending = waiting.ReceiveAsync(1, Bench.Token);

        bench.Time.Advance(TimeSpan.FromSeconds(10));

        var delivery = Assert.Single(await Bench.Soon(pending));
        Assert.Equal(("second", 1), (delivery.Envelope.Id, delivery.Redeliveries));
    }

    [Fact]
    public async Task A_waiting_receiver_gets_what_was_renewed_and_then_lost()
    {
        await using var bench = await Bench.StartAsync();
        var holder = await bench.OpenAsync();
        await bench.SendAsync("1");
        var held = await Bench.NextAsync(holder);
        var waiting = await bench.OpenAsync();
        var pending = waiting.ReceiveAsync(1, Bench.Token);

        Assert.Equal(SettleStatus.Settled, await Bench.RenewAsync(holder, held));
        bench.Time.Advance(Bench.Lease);

        Assert.Equal(1, Assert.Single(await Bench.Soon(pending)).Redeliveries);
    }

    [Fact]
    public async Task What_comes_back_goes_before_what_waits_and_in_its_old_order()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        foreach (var id in new[] { "1", "2", "3", "4" })
        {
            await bench.SendAsync(id);
        }

        var held = await Bench.Soon(receiver.ReceiveAsync(3, Bench.Token));
        foreach (var i in new[] { 2, 0, 1 })
        {
            await Bench.SettleAsync(receiver, Settlement.Release(held[i]));
        }

        var again = await Bench.Soon(receiver.ReceiveAsync(10, Bench.Token));
        Assert.Equal(["1", "2", "3", "4"], again.Select(delivery => delivery.Envelope.Id));
    }

    [Fact]
    public async Task On_the_system_clock_nothing_comes_early_either()
    {
        var broker = new InMemoryBroker();
        await using var transport = new InMemoryTransport(broker);
        await transport.DeclareAsync(new Topology(["orders"], []), Bench.Token);
        var receiver = await transport.OpenReceiverAsync(new() { Queue = "orders" }, Bench.Token);
        var results = new PublishResult[1];
        foreach (var microseconds in new[] { 100, 1_500, 20_700 })
        {
            var delay = TimeSpan.FromMicroseconds(microseconds);
            var before = TimeProvider.System.GetTimestamp();
            var message = new OutgoingMessage(Destination.Queue("orders"), Bench.Message($"{microseconds}"), delay);
            await transport.PublishAsync(new[] { message }, results, Bench.Token);

            await Bench.NextAsync(receiver);

            Assert.True(TimeProvider.System.GetElapsedTime(before) >= delay);
        }
    }
}
