using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Taking messages by demand: no more than asked for, nothing lost by giving up, fair shares.</summary>
public abstract class ReceivingScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    [Scenario(Fault.IgnoresMax)]
    public async Task Never_more_than_asked_for()
    {
        var (transport, queue, receiver) = await StartAsync();
        var sent = Messages(60);
        await SendAsync(transport, queue, sent);
        var taken = new List<Delivery>();
        using var patience = After(Fixture.Patience);
        for (var max = 1; taken.Count < sent.Length; max = (max % 7) + 1)
        {
            var some = await ReceiveAsync(receiver, max, patience.Token);
            Assert.InRange(some.Count, 1, max);
            taken.AddRange(some);
        }

        AssertSame(sent, taken);
    }

    [Scenario(Fault.SleepsThrough)]
    public async Task A_waiting_receiver_is_woken()
    {
        var (transport, queue, receiver) = await StartAsync();
        foreach (var message in Messages(5))
        {
            var taking = TakeOneAsync(receiver).AsTask();
            await QuietlyAsync(taking);
            await SendAsync(transport, queue, message);
            var delivery = await taking;
            Assert.Equal(message.Id, delivery.Envelope.Id);
            await AckAsync(receiver, delivery);
        }
    }

    [Scenario(Fault.ReturnsEmpty)]
    public async Task A_receiver_that_was_not_stopped_waits_and_never_ends()
    {
        var (transport, queue, receiver) = await StartAsync();
        using var quiet = After(Fixture.Quiet);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ReceiveAsync(receiver, 1, quiet.Token));

        await SendAsync(transport, queue, Message());
        await DrainAsync(receiver, 1);
    }

    [Scenario(Fault.LosesOnCancel)]
    public async Task Cancelling_at_random_moments_loses_nothing()
    {
        const int Count = 300;
        var (transport, queue, receiver) = await StartAsync();
        var random = new Random(4711);
        var publishing = Task.Run(async () =>
        {
            foreach (var batch in Messages(Count).Chunk(3))
            {
                await SendAsync(transport, queue, batch);
                // Slow enough that the receiver has to wait, or there would be no wait to cancel.
                await Task.Delay(TimeSpan.FromMilliseconds(2), Time, Deadline);
            }
        });
        var arrived = new HashSet<string>();
        using var patience = After(Fixture.Patience * 2);
        while (arrived.Count < Count)
        {
            Assert.False(patience.IsCancellationRequested, $"Only {arrived.Count} of {Count} messages came.");
            using var impatient = After(TimeSpan.FromMilliseconds(random.Next(0, 5)));
            try
            {
                var some = await ReceiveAsync(receiver, 10, impatient.Token);
                Assert.All(some, one => Assert.True(arrived.Add(one.Envelope.Id) && one.Redeliveries == 0, $"{one.Envelope.Id} came again."));
                await AckAsync(receiver, [.. some]);
            }
            catch (OperationCanceledException) when (impatient.IsCancellationRequested)
            {
            }
        }

        await publishing;
        await NothingComesAsync(receiver);
    }

    [Scenario(Fault.HoardsMessages)]
    public async Task A_receiver_holds_no_more_than_its_prefetch()
    {
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        await SendAsync(transport, queue, Messages(10));
        var one = await OpenAsync(transport, queue, prefetch: 4);
        var two = await OpenAsync(transport, queue, prefetch: 6);

        var taken = await TakeAsync(one, 4);
        taken.AddRange(await TakeAsync(two, 6));

        Assert.Equal(10, taken.Select(static delivery => delivery.Envelope.Id).Distinct().Count());
    }

    [Scenario(Fault.HoardsMessages)]
    public async Task Competing_receivers_each_get_a_share_and_none_twice()
    {
        const int Count = 400;
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        var receivers = new List<IReceiver>();
        for (var i = 0; i < 4; i++)
        {
            // Two of them as if in another process.
            receivers.Add(await OpenAsync(i < 2 ? transport : await ConnectAsync(), queue, prefetch: 2));
        }

        var sent = Messages(Count);
        await SendAsync(transport, queue, sent);
        var (all, shares) = (new List<Delivery>(), new int[receivers.Count]);
        using var done = After(Fixture.Patience);

        async Task TakeShareAsync(int i)
        {
            try
            {
                while (true)
                {
                    var some = await ReceiveAsync(receivers[i], 2, done.Token);
                    await AckAsync(receivers[i], [.. some]);
                    shares[i] += some.Count;
                    lock (all)
                    {
                        all.AddRange(some);
                        if (all.Count >= Count)
                        {
                            done.Cancel();
                        }
                    }
                }
            }
            catch (OperationCanceledException) when (done.IsCancellationRequested)
            {
            }
        }

        // Everybody takes its first ones before anybody goes on: then nobody can be too slow for a share.
        var first = await Task.WhenAll(receivers.Select(receiver => TakeAsync(receiver, 2).AsTask()));
        for (var i = 0; i < receivers.Count; i++)
        {
            await AckAsync(receivers[i], [.. first[i]]);
            all.AddRange(first[i]);
        }

        await Task.WhenAll(Enumerable.Range(0, receivers.Count).Select(i => Task.Run(() => TakeShareAsync(i))));

        AssertSame(sent, all);
        Assert.Equal(Count - 8, shares.Sum());
    }

    [Scenario(Fault.DropsMessages, Fault.StopLosesClaimed)]
    public async Task A_queue_is_emptied_in_sittings()
    {
        const int Count = 500;
        var transport = await ConnectAsync();
        var queue = await QueueAsync(transport);
        var sent = Messages(Count);
        await SendAsync(transport, queue, sent);
        var all = new List<Delivery>();
        while (all.Count < Count)
        {
            await using var receiver = await OpenAsync(transport, queue);
            all.AddRange(await DrainAsync(receiver, 50));
            await receiver.StopAsync(Deadline);
        }

        AssertSame(sent, all);
        await NothingComesAsync(await OpenAsync(transport, queue));
    }

    [Scenario(Fault.DropsMessages, Fault.DuplicatesMessages)]
    public async Task Two_transports_exchange_messages_both_ways()
    {
        var (one, two) = (await ConnectAsync(), await ConnectAsync());
        var topic = NewName();
        var (queueOfOne, queueOfTwo) = (await QueueAsync(one, $"{topic}.one"), await QueueAsync(two, $"{topic}.two"));
        var (toOne, toTwo) = (Messages(100), Messages(100));

        await Task.WhenAll(
            StoreAsync(two, [.. toOne.Select(message => On($"{topic}.one", message))]).AsTask(),
            StoreAsync(one, [.. toTwo.Select(message => On($"{topic}.two", message))]).AsTask());

        AssertSame(toOne, await DrainAsync(await OpenAsync(one, queueOfOne), 100));
        AssertSame(toTwo, await DrainAsync(await OpenAsync(two, queueOfTwo), 100));
    }

    /// <summary>Gives a wait the time to begin; it must not be over.</summary>
    private async Task QuietlyAsync(Task waiting) =>
        await Assert.ThrowsAsync<TimeoutException>(() => waiting.WaitAsync(Fixture.Quiet / 4, Time));
}
