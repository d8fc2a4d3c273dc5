using System.Collections.Concurrent;
using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Stopping a receiver: it takes no more, gives back what it had not handed out, and still settles the rest.</summary>
public abstract class StoppingScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.StopIgnored)]
    public async Task Stopping_ends_a_waiting_receive_with_an_empty_list()
    {
        var (_, _, receiver) = await StartAsync();
        var waiting = receiver.ReceiveAsync(5, Deadline).AsTask();
        await Assert.ThrowsAsync<TimeoutException>(() => waiting.WaitAsync(Fixture.Quiet / 4, Time));

        await receiver.StopAsync(Deadline).AsTask().WaitAsync(Fixture.Patience, Time);

        Assert.Empty(await waiting.WaitAsync(Fixture.Patience, Time));
        Assert.Empty(await ReceiveAsync(receiver, 5, Deadline));
    }

    [Scenario(Fault.StopIgnored)]
    public async Task A_stopped_receiver_takes_no_more()
    {
        var (transport, queue, receiver) = await StartAsync();
        await receiver.StopAsync(Deadline);
        var sent = Messages(3);
        await SendAsync(transport, queue, sent);

        Assert.Empty(await ReceiveAsync(receiver, 5, Deadline));

        AssertSame(sent, await DrainAsync(await OpenAsync(transport, queue), 3));
    }

    [Scenario(Fault.StopEndsSettling, Fault.ForgetsAcks)]
    public async Task What_was_handed_out_can_be_settled_after_stopping()
    {
        var (transport, queue, receiver) = await StartAsync(Fixture.Lease);
        await SendAsync(transport, queue, Messages(4));
        var taken = await TakeAsync(receiver, 4);
        await receiver.StopAsync(Deadline);

        await SettledAsync(
            receiver,
            Settlement.Ack(taken[0]),
            Settlement.Retry(taken[1], TimeSpan.Zero),
            Settlement.DeadLetter(taken[2], Reason(taken[2])),
            Settlement.Release(taken[3]));
        await receiver.DisposeAsync();

        var other = await OpenAsync(transport, queue);
        AssertSame([taken[1].Envelope.Id, taken[3].Envelope.Id], await DrainAsync(other, 2));
        await NothingComesAsync(other, Fixture.Lease + Fixture.Quiet);
    }

    [Scenario(Fault.StopLosesClaimed)]
    public async Task Stopping_hands_back_what_was_not_handed_out()
    {
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        var sent = Messages(20);
        await SendAsync(transport, queue, sent);
        var receiver = await OpenAsync(transport, queue, prefetch: 20);
        var mine = await TakeOneAsync(receiver);

        await receiver.StopAsync(Deadline);

        // Long before any lease is over.
        var others = await DrainAsync(await OpenAsync(await ConnectAsync(), queue), 19);
        AssertSame(sent.Select(static one => one.Id).Where(id => id != mine.Envelope.Id), others);
        Assert.All(others, static one => Assert.Equal(1, one.Envelope.Attempt));
        if (transport.Capabilities.UncountedRelease.IsSupported)
        {
            Assert.All(others, static one => Assert.Equal(0, one.Redeliveries));
        }

        await AckAsync(receiver, mine);
    }

    /// <summary>In a queue with an order: not behind those that nobody had taken yet.</summary>
    [Scenario(Fault.LosesReleases)]
    public async Task What_is_handed_back_comes_before_what_was_stored_after_it()
    {
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        var sent = Messages(200);
        await SendAsync(transport, queue, sent);
        var receiver = await transport.OpenReceiverAsync(new() { Queue = queue, Lease = LongLease, Prefetch = 100, KeepsOrder = true }, Deadline);
        var taken = await TakeAsync(receiver, 60);
        await SettledAsync(receiver, [.. taken.Take(10).Select(Settlement.Ack)]);

        await receiver.StopAsync(Deadline);
        await SettledAsync(receiver, [.. taken.Skip(10).Select(Settlement.Release)]);
        await receiver.DisposeAsync();

        var other = await OpenAsync(await ConnectAsync(), queue);
        var again = new List<string>();
        while (again.Count < sent.Length - 10)
        {
            again.AddRange((await DrainAsync(other, 10)).Select(static one => one.Envelope.Id));
        }

        Assert.Equal(sent.Skip(10).Select(static one => one.Id), again);
    }

    [Scenario(Fault.StopLosesClaimed, Fault.StopIgnored)]
    public async Task Stopping_under_load_loses_nothing_and_none_comes_twice()
    {
        const int Count = 600;
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        var arrived = new ConcurrentBag<Delivery>();
        var sent = Messages(Count);
        var publishing = Task.Run(async () =>
        {
            foreach (var batch in sent.Chunk(5))
            {
                await SendAsync(transport, queue, batch);
            }
        });
        using var patience = After(Fixture.Patience * 2);
        for (var sitting = 1; arrived.Count < Count; sitting++)
        {
            Assert.False(patience.IsCancellationRequested, $"Only {arrived.Count} of {Count} messages came.");
            await using var receiver = await OpenAsync(transport, queue, prefetch: 30);
            var receiving = Task.Run(async () =>
            {
                while (await ReceiveAsync(receiver, 3, Deadline) is { Count: > 0 } some)
                {
                    // Handling takes a moment, so that there is something left when it is stopped.
                    await Task.Delay(TimeSpan.FromMilliseconds(1), Time, Deadline);
                    await AckAsync(receiver, [.. some]);
                    some.ToList().ForEach(arrived.Add);
                }
            });
            await Task.WhenAny(receiving, Task.Delay(TimeSpan.FromMilliseconds(sitting * 7 % 40), Time, Deadline));
            await receiver.StopAsync(Deadline).AsTask().WaitAsync(Fixture.Patience, Time);
            await receiving.WaitAsync(Fixture.Patience, Time);
        }

        await publishing;
        AssertSame(sent, arrived);
    }

    [Scenario(Fault.StopEndsSettling)]
    public async Task Stopping_while_settling_harms_no_settlement()
    {
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        await SendAsync(transport, queue, Messages(300));
        for (var round = 0; round < 3; round++)
        {
            var receiver = await OpenAsync(transport, queue);
            var taken = await TakeAsync(receiver, 100);
            var settling = Task.Run(async () =>
            {
                foreach (var share in taken.Chunk(10))
                {
                    await AckAsync(receiver, share);
                }
            });
            await receiver.StopAsync(Deadline);
            await settling.WaitAsync(Fixture.Patience, Time);
            await receiver.DisposeAsync();
        }

        await NothingComesAsync(await OpenAsync(transport, queue));
    }

    [Scenario(Fault.StopStopsTheTransport)]
    public async Task Stopping_one_receiver_leaves_the_others_alone()
    {
        var (transport, queue, receiver) = await StartAsync();
        var other = await OpenAsync(transport, await QueueAsync(transport));
        await receiver.StopAsync(Deadline);
        await receiver.DisposeAsync();
        await other.DisposeAsync();
        var sent = Messages(2);
        await SendAsync(transport, queue, sent);

        AssertSame(sent, await DrainAsync(await OpenAsync(transport, queue), 2));
    }
}
