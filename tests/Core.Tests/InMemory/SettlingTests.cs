using Postrider.Core.Transport;

namespace Postrider.Core.Tests.InMemory;

public sealed class SettlingTests
{
    [Fact]
    public async Task An_acked_message_never_comes_back()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        await bench.SendAsync("1");

        Assert.Equal(SettleResult.Settled, await Bench.SettleAsync(receiver, Settlement.Ack(await Bench.NextAsync(receiver))));

        bench.Time.Advance(TimeSpan.FromDays(1));
        await Bench.NothingThereAsync(receiver);
    }

    [Fact]
    public async Task A_retry_is_the_next_attempt_with_no_redeliveries_after_its_delay_and_not_before()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        await bench.SendAsync("1");
        await Bench.NextAsync(receiver);
        bench.Time.Advance(Bench.Lease);
        var second = await Bench.NextAsync(receiver);
        Assert.Equal(1, second.Redeliveries);

        await Bench.SettleAsync(receiver, Settlement.Retry(second, TimeSpan.FromSeconds(5)));
        bench.Time.Advance(TimeSpan.FromSeconds(5) - TimeSpan.FromTicks(1));
        await Bench.NothingThereAsync(receiver);
        bench.Time.Advance(TimeSpan.FromTicks(1));

        var third = await Bench.NextAsync(receiver);
        Assert.Equal(("1", 2, 0), (third.Envelope.Id, third.Envelope.Attempt, third.Redeliveries));
        await Bench.SettleAsync(receiver, Settlement.Retry(third, TimeSpan.Zero));
        Assert.Equal(3, (await Bench.NextAsync(receiver)).Envelope.Attempt);
    }

    [Fact]
    public async Task A_release_counts_nothing()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        await bench.SendAsync("1");
        await Bench.NextAsync(receiver);
        bench.Time.Advance(Bench.Lease);

        for (var i = 0; i < 3; i++)
        {
            var delivery = await Bench.NextAsync(receiver);
            Assert.Equal((1, 1), (delivery.Envelope.Attempt, delivery.Redeliveries));
            Assert.Equal(SettleResult.Settled, await Bench.SettleAsync(receiver, Settlement.Release(delivery)));
        }
    }

    [Fact]
    public async Task A_second_settlement_is_lost_whatever_the_two_were()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        var info = new DeadLetterInfo { Reason = DeadLetterReason.Rejected, Queue = Bench.Queue };
        Func<Delivery, Settlement>[] kinds =
        [
            Settlement.Ack,
            Settlement.Release,
            delivery => Settlement.Retry(delivery, TimeSpan.FromDays(1)),
            delivery => Settlement.DeadLetter(delivery, info),
        ];
        foreach (var first in kinds)
        {
            foreach (var second in kinds)
            {
                await bench.SendAsync($"{Array.IndexOf(kinds, first)} {Array.IndexOf(kinds, second)}");
                var delivery = await Bench.NextAsync(receiver);
                Assert.Equal(SettleResult.Settled, await Bench.SettleAsync(receiver, first(delivery)));
                Assert.Equal(SettleResult.Lost, await Bench.SettleAsync(receiver, second(delivery)));
                if (first == kinds[1])
                {
                    await Bench.SettleAsync(receiver, Settlement.Ack(await Bench.NextAsync(receiver)));
                }
            }
        }
    }

    [Fact]
    public async Task A_holder_whose_message_another_took_has_no_say()
    {
        await using var bench = await Bench.StartAsync();
        var slow = await bench.OpenAsync();
        var other = await bench.OpenAsync();
        await bench.SendAsync("1");
        var stale = await Bench.NextAsync(slow);
        bench.Time.Advance(Bench.Lease);
        var current = await Bench.NextAsync(other);

        Assert.Equal(SettleResult.Lost, await Bench.SettleAsync(slow, Settlement.Ack(stale)));
        Assert.Equal(SettleStatus.Lost, await Bench.RenewAsync(slow, stale));

        Assert.Equal(SettleStatus.Settled, await Bench.RenewAsync(other, current));
        Assert.Equal(SettleResult.Settled, await Bench.SettleAsync(other, Settlement.Ack(current)));
    }

    [Fact]
    public async Task An_old_delivery_has_no_say_over_a_message_that_took_the_same_place()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        await bench.SendAsync("old");
        await Bench.NextAsync(receiver);
        bench.Time.Advance(Bench.Lease);
        var old = await Bench.NextAsync(receiver);
        await Bench.SettleAsync(receiver, Settlement.Ack(old));
        await bench.SendAsync("new");

        Assert.Equal(SettleResult.Lost, await Bench.SettleAsync(receiver, Settlement.Ack(old)));
        var current = await Bench.NextAsync(receiver);
        Assert.Equal(SettleResult.Lost, await Bench.SettleAsync(receiver, Settlement.Ack(old)));

        Assert.Equal(("new", 0), (current.Envelope.Id, current.Redeliveries));
        Assert.Equal(SettleResult.Settled, await Bench.SettleAsync(receiver, Settlement.Ack(current)));
    }

    [Fact]
    public async Task A_late_settlement_counts_if_nobody_took_the_message()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        await bench.SendAsync("1");
        var late = await Bench.NextAsync(receiver);
        bench.Time.Advance(Bench.Lease);

        Assert.Equal(SettleResult.Settled, await Bench.SettleAsync(receiver, Settlement.Ack(late)));

        await Bench.NothingThereAsync(receiver);
    }

    [Fact]
    public async Task A_late_settlement_counts_also_after_the_message_became_visible_again()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        await bench.SendAsync("1");
        await bench.SendAsync("2");
        var late = await Bench.Soon(receiver.ReceiveAsync(2, Bench.Token));
        bench.Time.Advance(Bench.Lease);
        var other = await bench.OpenAsync();
        Assert.Equal("1", (await Bench.NextAsync(other)).Envelope.Id);

        Assert.Equal(SettleResult.Lost, await Bench.SettleAsync(receiver, Settlement.Ack(late[0])));
        Assert.Equal(SettleResult.Settled, await Bench.SettleAsync(receiver, Settlement.Ack(late[1])));

        await Bench.NothingThereAsync(other);
    }

    [Fact]
    public async Task Renewal_starts_the_lease_anew()
    {
        await using var bench = await Bench.StartAsync();
        var holder = await bench.OpenAsync();
        var looking = await bench.OpenAsync();
        await bench.SendAsync("1");
        await bench.SendAsync("2");
        var held = await Bench.Soon(holder.ReceiveAsync(2, Bench.Token));

        bench.Time.Advance(Bench.Lease * 0.75);
        Assert.Equal(SettleStatus.Settled, await Bench.RenewAsync(holder, held[0]));
        bench.Time.Advance(Bench.Lease * 0.75);

        Assert.Equal("2", (await Bench.NextAsync(looking)).Envelope.Id);
        await Bench.NothingThereAsync(looking);
        bench.Time.Advance(Bench.Lease * 0.25);
        var again = await Bench.NextAsync(looking);
        Assert.Equal(("1", 1), (again.Envelope.Id, again.Redeliveries));
    }

    [Fact]
    public async Task A_late_renewal_takes_the_message_back_and_no_redelivery_is_counted()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        await bench.SendAsync("1");
        await bench.SendAsync("2");
        var held = await Bench.Soon(receiver.ReceiveAsync(2, Bench.Token));
        bench.Time.Advance(Bench.Lease);
        var other = await bench.OpenAsync();
        await Bench.NextAsync(other);

        Assert.Equal(SettleStatus.Settled, await Bench.RenewAsync(receiver, held[1]));
        await Bench.NothingThereAsync(other);

        await Bench.SettleAsync(receiver, Settlement.Release(held[1]));
        Assert.Equal(0, (await Bench.NextAsync(other)).Redeliveries);
    }

    [Fact]
    public async Task A_foreign_delivery_fails_alone_in_its_batch()
    {
        await using var bench = await Bench.StartAsync();
        var (one, two) = (await bench.OpenAsync(), await bench.OpenAsync());
        await bench.SendAsync("1");
        await bench.SendAsync("2");
        var (first, second) = (await Bench.NextAsync(one), await Bench.NextAsync(two));
        var results = new SettleResult[3];

        await one.SettleAsync(new[] { Settlement.Ack(second), default, Settlement.Ack(first) }, results, Bench.Token);

        Assert.Equal([SettleStatus.Failed, SettleStatus.Failed, SettleStatus.Settled], Array.ConvertAll(results, result => result.Status));
        Assert.Equal(SettleResult.Settled, await Bench.SettleAsync(two, Settlement.Ack(second)));
    }

    [Fact]
    public async Task A_cancelled_settlement_has_no_effect_and_may_be_tried_again()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        await bench.SendAsync("1");
        var settlement = Settlement.Ack(await Bench.NextAsync(receiver));
        var results = new SettleResult[1];

        await receiver.SettleAsync(new[] { settlement }, results, new CancellationToken(canceled: true));

        Assert.Equal(SettleStatus.Failed, results[0].Status);
        Assert.Equal(SettleResult.Settled, await Bench.SettleAsync(receiver, settlement));
    }
}
