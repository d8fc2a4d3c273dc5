using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>How long a delivery is ours, and what a holder can do whose time is over: nothing.</summary>
public abstract class LeaseScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.GivesAwayEarly, Fault.HoldsForever, Fault.ForgetsRedeliveries)]
    public async Task An_unrenewed_delivery_goes_to_another_after_the_lease_and_not_before()
    {
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        var sent = Message();
        var start = Time.GetTimestamp();
        await SendAsync(transport, queue, sent);
        await TakeOneAsync(await OpenAsync(transport, queue, Fixture.Lease));
        var other = await OpenAsync(await ConnectAsync(), queue);
        if (!Fixture.LeasesExpire)
        {
            await NothingComesAsync(other, Fixture.Lease * 1.5);
            return;
        }

        var again = await TakeOneAsync(other);

        Assert.True(Time.GetElapsedTime(start) >= Fixture.Lease, $"It came after {Time.GetElapsedTime(start)}; the lease was {Fixture.Lease}.");
        Assert.Equal((sent.Id, 1, 1), (again.Envelope.Id, again.Envelope.Attempt, again.Redeliveries));
    }

    [Scenario(Fault.NoRenewal)]
    public async Task A_renewed_delivery_stays_ours()
    {
        var (transport, queue, receiver) = await StartAsync(Fixture.Lease);
        if (receiver is not ILeaseRenewal renewal)
        {
            Assert.False(transport.Capabilities.LeaseRenewal.IsSupported);
            return;
        }

        Assert.True(transport.Capabilities.LeaseRenewal.IsSupported);
        await SendAsync(transport, queue, Message(), Message());
        var taken = await TakeAsync(receiver, 2);
        var other = await OpenAsync(await ConnectAsync(), queue);
        for (var i = 0; i < 6; i++)
        {
            await NothingComesAsync(other, Fixture.Lease / 3);
            Assert.All(await RenewAsync(renewal, taken[0], taken[1]), static result => Assert.Equal(SettleStatus.Settled, result.Status));
        }

        await AckAsync(receiver, [.. taken]);
        await NothingComesAsync(other, Fixture.Lease + Fixture.Quiet);
    }

    [Scenario(Fault.LiesAboutSettling)]
    public async Task Renewing_what_is_gone_or_held_by_another_says_so()
    {
        var (transport, queue, receiver) = await StartAsync(Fixture.Lease);
        if (receiver is not ILeaseRenewal renewal)
        {
            Assert.False(transport.Capabilities.LeaseRenewal.IsSupported);
            return;
        }

        await SendAsync(transport, queue, Message(), Message());
        var taken = await TakeAsync(receiver, 2);
        await AckAsync(receiver, taken[0]);
        Assert.Equal([SettleStatus.Lost, SettleStatus.Settled], (await RenewAsync(renewal, [.. taken])).Select(static one => one.Status));
        if (Fixture.LeasesExpire && transport.Capabilities.Fencing.IsSupported)
        {
            await TakeOneAsync(await OpenAsync(await ConnectAsync(), queue));
            Assert.Equal(SettleStatus.Lost, Assert.Single(await RenewAsync(renewal, taken[1])).Status);
        }
    }

    [Scenario(Fault.LiesAboutSettling)]
    public async Task Renewing_what_went_back_says_so_and_hides_nothing()
    {
        var (transport, queue, receiver) = await StartAsync();
        if (receiver is not ILeaseRenewal renewal)
        {
            Assert.False(transport.Capabilities.LeaseRenewal.IsSupported);
            return;
        }

        await SendAsync(transport, queue, Message(), Message());
        var taken = await TakeAsync(receiver, 2);
        await SettleAsync(receiver, Settlement.Release(taken[0]), Settlement.Retry(taken[1], TimeSpan.Zero));

        Assert.Equal([SettleStatus.Lost, SettleStatus.Lost], (await RenewAsync(renewal, [.. taken])).Select(static one => one.Status));
        await TakeAsync(receiver, 2); // the lease is longer than the patience
    }

    [Scenario(Fault.NoFencing, Fault.LiesAboutSettling)]
    public async Task A_late_ack_does_nothing() => await TooLateAsync(Settlement.Ack);

    [Scenario(Fault.NoFencing, Fault.LiesAboutSettling)]
    public async Task A_late_retry_does_nothing() => await TooLateAsync(static one => Settlement.Retry(one, TimeSpan.Zero));

    [Scenario(Fault.NoFencing, Fault.LiesAboutSettling)]
    public async Task A_late_dead_letter_does_nothing() => await TooLateAsync(static one => Settlement.DeadLetter(one, Reason(one)));

    [Scenario(Fault.NoFencing, Fault.LiesAboutSettling)]
    public async Task A_late_release_does_nothing() => await TooLateAsync(Settlement.Release);

    [Scenario(Fault.LiesAboutSettling)]
    public async Task What_a_late_settlement_says_is_true_while_nobody_holds_the_message()
    {
        var (transport, queue, receiver) = await StartAsync(Fixture.Lease);
        await SendAsync(transport, queue, Message(), Message());
        var taken = await TakeAsync(receiver, 2);
        await AckAsync(receiver, taken[1]);
        await NothingComesLocallyAsync();

        var late = Assert.Single(await SettleAsync(receiver, Settlement.Ack(taken[0])));
        var twice = Assert.Single(await SettleAsync(receiver, Settlement.Ack(taken[1])));

        Assert.Equal(SettleStatus.Lost, twice.Status);
        var other = await OpenAsync(transport, queue);
        if (late.Status == SettleStatus.Settled)
        {
            await NothingComesAsync(other, Fixture.Lease + Fixture.Quiet);
        }
        else
        {
            AssertSame([taken[0].Envelope.Id], await DrainAsync(other, 1));
        }
    }

    /// <summary>Lets the lease run out while nobody asks for messages.</summary>
    private async Task NothingComesLocallyAsync()
    {
        using var over = After(Fixture.Lease * 1.2);
        var ended = new TaskCompletionSource();
        await using var registration = over.Token.Register(ended.SetResult);
        await ended.Task;
    }

    private async Task TooLateAsync(Func<Delivery, Settlement> settle)
    {
        var (transport, queue, receiver) = await StartAsync(Fixture.Lease);
        await SendAsync(transport, queue, Message());
        var late = await TakeOneAsync(receiver);
        if (!Fixture.LeasesExpire)
        {
            // A delivery is its connection's: when that is gone so is every way to settle it.
            await receiver.DisposeAsync();
        }

        var other = await OpenAsync(await ConnectAsync(), queue);
        var current = await TakeOneAsync(other);

        if (Fixture.LeasesExpire)
        {
            var result = Assert.Single(await SettleAsync(receiver, settle(late)));
            if (!transport.Capabilities.Fencing.IsSupported)
            {
                // What it does then is the broker's; it must be said, and must not break the receiver.
                await NothingComesAsync(receiver);
                return;
            }

            Assert.Equal(SettleStatus.Lost, result.Status);
        }

        await NothingComesAsync(receiver is ILeaseRenewal && Fixture.LeasesExpire ? receiver : other);
        await SettledAsync(other, Settlement.Retry(current, TimeSpan.Zero));
        var retried = await TakeOneAsync(other);
        Assert.Equal((2, 0), (retried.Envelope.Attempt, retried.Redeliveries));
        await AckAsync(other, retried);
        await NothingComesAsync(await OpenAsync(transport, Names.DeadLetterQueue(queue)));
    }

    private async Task<SettleResult[]> RenewAsync(ILeaseRenewal renewal, params Delivery[] deliveries)
    {
        var results = new SettleResult[deliveries.Length];
        await renewal.RenewAsync(deliveries, results, Deadline).AsTask().WaitAsync(Fixture.Patience, Time);
        return results;
    }
}
