using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Settling: it takes effect once, and every settlement of a batch has its own result.</summary>
public abstract class SettlingScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.ForgetsAcks)]
    public async Task What_is_acked_does_not_come_back()
    {
        var (transport, queue, receiver) = await StartAsync(Fixture.Lease);
        await SendAsync(transport, queue, Messages(10));
        await AckAsync(receiver, [.. await TakeAsync(receiver, 10)]);
        await receiver.DisposeAsync();

        await NothingComesAsync(await OpenAsync(transport, queue), Fixture.Lease + Fixture.Quiet);
    }

    [Scenario(Fault.LosesSettlements)]
    public async Task A_thousand_are_settled_at_once()
    {
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        await SendAsync(transport, queue, Messages(1000));
        var receiver = await OpenAsync(transport, queue, prefetch: 1000);
        var taken = await TakeAsync(receiver, 1000);

        await SettledAsync(receiver, [.. taken.Select((one, i) => i < 500 ? Settlement.Ack(one) : Settlement.Retry(one, TimeSpan.Zero))]);

        var again = await DrainAsync(receiver, 500);
        AssertSame(taken.Skip(500).Select(static one => one.Envelope.Id), again);
        Assert.All(again, static one => Assert.Equal(2, one.Envelope.Attempt));
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.FailsWholeSettlement, Fault.ShufflesResults, Fault.LiesAboutSettling, Fault.SettlesTwice)]
    public async Task A_mixed_batch_has_a_result_for_each()
    {
        var (transport, queue, receiver) = await StartAsync();
        var sent = Messages(5);
        await SendAsync(transport, queue, sent);
        var taken = await TakeAsync(receiver, 5);
        await AckAsync(receiver, taken[1]);

        var results = await SettleAsync(
            receiver,
            Settlement.Ack(taken[0]),
            Settlement.Ack(taken[1]),
            Settlement.Retry(taken[2], TimeSpan.Zero),
            Settlement.DeadLetter(taken[3], Reason(taken[3])),
            Settlement.Release(taken[4]));

        Assert.Equal(
            [SettleStatus.Settled, SettleStatus.Lost, SettleStatus.Settled, SettleStatus.Settled, SettleStatus.Settled],
            results.Select(static result => result.Status));
        var again = (await DrainAsync(receiver, 2)).ToDictionary(static one => one.Envelope.Id, static one => one.Envelope.Attempt);
        Assert.Equal((2, 1), (again[taken[2].Envelope.Id], again[taken[4].Envelope.Id]));
        await NothingComesAsync(receiver);
        AssertSame([taken[3].Envelope.Id], await DrainAsync(await OpenAsync(transport, Names.DeadLetterQueue(queue)), 1));
    }

    [Scenario(Fault.SettlesTwice, Fault.LiesAboutSettling)]
    public async Task Settling_twice_in_the_same_way_has_no_second_effect()
    {
        var (transport, queue, receiver) = await StartAsync();
        await SendAsync(transport, queue, Messages(4));
        var taken = await TakeAsync(receiver, 4);
        Settlement[] batch =
        [
            Settlement.Ack(taken[0]), Settlement.Retry(taken[1], TimeSpan.Zero),
            Settlement.DeadLetter(taken[2], Reason(taken[2])), Settlement.Release(taken[3]),
        ];
        await SettledAsync(receiver, batch);

        Assert.All(await SettleAsync(receiver, batch), static result => Assert.Equal(SettleStatus.Lost, result.Status));

        AssertSame([taken[1].Envelope.Id, taken[3].Envelope.Id], await DrainAsync(receiver, 2));
        await NothingComesAsync(receiver);
        var dead = await OpenAsync(transport, Names.DeadLetterQueue(queue));
        AssertSame([taken[2].Envelope.Id], await DrainAsync(dead, 1));
        await NothingComesAsync(dead);
    }

    [Scenario(Fault.SettlesTwice, Fault.LiesAboutSettling)]
    public async Task The_first_of_two_different_settlements_counts()
    {
        var (transport, queue, receiver) = await StartAsync();
        await SendAsync(transport, queue, Messages(4));
        var taken = await TakeAsync(receiver, 4);
        await SettledAsync(
            receiver,
            Settlement.Ack(taken[0]),
            Settlement.Ack(taken[1]),
            Settlement.DeadLetter(taken[2], Reason(taken[2])),
            Settlement.Retry(taken[3], TimeSpan.Zero));
        var retried = await TakeOneAsync(receiver);

        var results = await SettleAsync(
            receiver,
            Settlement.Retry(taken[0], TimeSpan.Zero),
            Settlement.DeadLetter(taken[1], Reason(taken[1])),
            Settlement.Release(taken[2]),
            Settlement.Ack(taken[3]));

        Assert.All(results, static result => Assert.Equal(SettleStatus.Lost, result.Status));
        await NothingComesAsync(receiver);
        await AckAsync(receiver, retried);
        var dead = await OpenAsync(transport, Names.DeadLetterQueue(queue));
        AssertSame([taken[2].Envelope.Id], await DrainAsync(dead, 1));
        await NothingComesAsync(dead);
    }

    [Scenario(Fault.CountsReleases, Fault.LosesReleases)]
    public async Task A_released_message_comes_back_at_once_as_the_same_attempt()
    {
        var (transport, queue, receiver) = await StartAsync();
        await SendAsync(transport, queue, Message());
        for (var round = 0; round < 5; round++)
        {
            var delivery = await TakeOneAsync(receiver);
            Assert.Equal(1, delivery.Envelope.Attempt);
            Assert.InRange(delivery.Redeliveries, 0, transport.Capabilities.UncountedRelease.IsSupported ? 0 : Math.Min(round, 2));
            await SettledAsync(receiver, Settlement.Release(delivery));
        }

        await DrainAsync(receiver, 1);
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.LosesReleases)]
    public async Task What_one_receiver_releases_another_gets()
    {
        var (transport, queue, receiver) = await StartAsync();
        await SendAsync(transport, queue, Messages(20));
        var taken = await TakeAsync(receiver, 20);
        var other = await OpenAsync(await ConnectAsync(), queue);

        await receiver.StopAsync(Deadline);
        await SettledAsync(receiver, [.. taken.Select(Settlement.Release)]);

        AssertSame(taken.Select(static one => one.Envelope.Id), await DrainAsync(other, 20));
    }
}
