using Postrider.Core.InMemory;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.InMemory;

public sealed class ReceivingTests
{
    [Fact]
    public async Task Never_more_than_asked_for_and_in_order()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        for (var i = 0; i < 5; i++)
        {
            await bench.SendAsync($"{i}");
        }

        Assert.Equal(["0", "1"], (await Bench.Soon(receiver.ReceiveAsync(2, Bench.Token))).Select(delivery => delivery.Envelope.Id));
        Assert.Equal(["2", "3", "4"], (await Bench.Soon(receiver.ReceiveAsync(100, Bench.Token))).Select(delivery => delivery.Envelope.Id));
    }

    [Fact]
    public async Task A_cancelled_wait_claims_nothing()
    {
        await using var bench = await Bench.StartAsync();
        var (one, two) = (await bench.OpenAsync(), await bench.OpenAsync());
        using var cancel = new CancellationTokenSource();
        var first = one.ReceiveAsync(1, cancel.Token);
        var second = two.ReceiveAsync(1, Bench.Token);

        await cancel.CancelAsync();
        await bench.SendAsync("1");

        Assert.Equal("1", Assert.Single(await Bench.Soon(second)).Envelope.Id);
        var exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await Bench.Soon(first));
        Assert.Equal(cancel.Token, exception.CancellationToken);
        await bench.SendAsync("2");
        Assert.Equal("2", (await Bench.NextAsync(one)).Envelope.Id);
    }

    [Fact]
    public async Task A_token_that_is_cancelled_before_takes_nothing()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        await bench.SendAsync("1");

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await receiver.ReceiveAsync(1, new CancellationToken(canceled: true)));

        Assert.Equal(0, (await Bench.NextAsync(receiver)).Redeliveries);
    }

    [Fact]
    public async Task Competing_receivers_share_what_comes()
    {
        await using var bench = await Bench.StartAsync();
        var pending = new List<Task<IReadOnlyList<Delivery>>>();
        for (var i = 0; i < 3; i++)
        {
            pending.Add((await bench.OpenAsync()).ReceiveAsync(1, Bench.Token).AsTask());
        }

        for (var i = 0; i < 3; i++)
        {
            await bench.SendAsync($"{i}");
        }

        var ids = new List<string>();
        foreach (var receive in pending)
        {
            ids.Add(Assert.Single(await receive.WaitAsync(TimeSpan.FromSeconds(30), Bench.Token)).Envelope.Id);
        }

        Assert.Equal(["0", "1", "2"], ids.Order());
    }

    [Fact]
    public async Task Messages_that_become_due_together_wake_all_who_wait()
    {
        await using var bench = await Bench.StartAsync();
        var pending = new List<Task<IReadOnlyList<Delivery>>>();
        for (var i = 0; i < 3; i++)
        {
            pending.Add((await bench.OpenAsync()).ReceiveAsync(1, Bench.Token).AsTask());
            await bench.SendAsync($"{i}", TimeSpan.FromSeconds(1));
        }

        bench.Time.Advance(TimeSpan.FromSeconds(1));

        foreach (var receive in pending)
        {
            Assert.Single(await receive.WaitAsync(TimeSpan.FromSeconds(30), Bench.Token));
        }
    }

    [Fact]
    public async Task Stopping_ends_the_wait_and_leaves_what_was_given_out_to_be_settled()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        await bench.SendAsync("1");
        var delivery = await Bench.NextAsync(receiver);
        var pending = receiver.ReceiveAsync(1, Bench.Token);

        await receiver.StopAsync(Bench.Token);
        await receiver.StopAsync(new CancellationToken(canceled: true));
        await bench.SendAsync("2");

        Assert.Empty(await Bench.Soon(pending));
        Assert.Empty(await Bench.Soon(receiver.ReceiveAsync(1, Bench.Token)));
        Assert.Equal(SettleStatus.Settled, await Bench.RenewAsync(receiver, delivery));
        Assert.Equal(SettleResult.Settled, await Bench.SettleAsync(receiver, Settlement.Ack(delivery)));
        var next = await Bench.NextAsync(await bench.OpenAsync());
        Assert.Equal(("2", 0), (next.Envelope.Id, next.Redeliveries));
    }

    [Fact]
    public async Task Disposal_leaves_the_leases_to_run_out()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        var other = await bench.OpenAsync();
        await bench.SendAsync("1");
        var delivery = await Bench.NextAsync(receiver);

        await receiver.DisposeAsync();
        await receiver.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => Bench.SettleAsync(receiver, Settlement.Ack(delivery)));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await receiver.ReceiveAsync(1, Bench.Token));
        await Bench.NothingThereAsync(other);
        bench.Time.Advance(Bench.Lease);
        Assert.Equal(1, (await Bench.NextAsync(other)).Redeliveries);
    }

    [Fact]
    public async Task Disposal_of_the_transport_ends_everything_on_it_and_nothing_on_the_broker()
    {
        await using var bench = await Bench.StartAsync();
        var transport = new InMemoryTransport(bench.Broker);
        var receiver = await transport.OpenReceiverAsync(new() { Queue = Bench.Queue }, Bench.Token);
        var pending = receiver.ReceiveAsync(1, Bench.Token);

        await transport.DisposeAsync();
        await transport.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await Bench.Soon(pending));
        await Assert.ThrowsAsync<ObjectDisposedException>(
            async () => await transport.OpenReceiverAsync(new() { Queue = Bench.Queue }, Bench.Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await transport.DeclareAsync(new Topology([], []), Bench.Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(
            async () => await transport.PublishAsync(Array.Empty<OutgoingMessage>(), Array.Empty<PublishResult>(), Bench.Token));
        await bench.SendAsync("1");
        Assert.Equal("1", (await Bench.NextAsync(await bench.OpenAsync())).Envelope.Id);
    }

    [Fact]
    public async Task A_missing_queue_is_named()
    {
        await using var bench = await Bench.StartAsync();

        var exception = await Assert.ThrowsAsync<TransportException>(async () => await bench.OpenAsync("missing"));

        Assert.Equal(TransportError.QueueNotFound, exception.Reason);
        Assert.Contains("'missing'", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Receivers_of_a_deleted_queue_are_told()
    {
        await using var bench = await Bench.StartAsync();
        var (waiting, holder) = (await bench.OpenAsync(), await bench.OpenAsync());
        await bench.SendAsync("1");
        var held = await Bench.NextAsync(holder);
        var pending = waiting.ReceiveAsync(1, Bench.Token);

        Assert.True(bench.Broker.DeleteQueue(Bench.Queue));
        Assert.False(bench.Broker.DeleteQueue(Bench.Queue));

        var exception = await Assert.ThrowsAsync<TransportException>(async () => await Bench.Soon(pending));
        Assert.Equal(TransportError.QueueNotFound, exception.Reason);
        Assert.Equal(SettleResult.Lost, await Bench.SettleAsync(holder, Settlement.Ack(held)));
        Assert.Equal(PublishStatus.Unroutable, (await bench.SendAsync("2")).Status);
        var toTopic = new OutgoingMessage(Destination.Topic("orders.placed"), Bench.Message("3"));
        Assert.Equal(PublishStatus.Unroutable, (await bench.PublishAsync(toTopic)).Status);

        await bench.DeclareAsync([Bench.Queue], []);
        Assert.Equal(PublishStatus.Unroutable, (await bench.PublishAsync(toTopic)).Status);
        exception = await Assert.ThrowsAsync<TransportException>(async () => await waiting.ReceiveAsync(1, Bench.Token));
        Assert.Equal(TransportError.QueueNotFound, exception.Reason);
        await Bench.NothingThereAsync(await bench.OpenAsync());
    }
}
