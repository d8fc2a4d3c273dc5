using Postrider.Core.Transport;

namespace Postrider.Core.Tests.InMemory;

public sealed class DeadLetterTests
{
    private static readonly DeadLetterInfo Info = new() { Reason = DeadLetterReason.Exhausted, Queue = Bench.Queue, Attempts = 5 };

    [Fact]
    public async Task The_message_moves_with_all_that_it_had_and_the_reason()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        var headers = new Dictionary<string, string> { ["h"] = "v" };
        var message = Bench.Message("1", "body") with { Type = "order", Key = "k", Headers = headers };
        await bench.PublishAsync(new(Destination.Queue(Bench.Queue), message));
        var delivery = await Bench.NextAsync(receiver);

        Assert.Equal(SettleResult.Settled, await Bench.SettleAsync(receiver, Settlement.DeadLetter(delivery, Info)));

        bench.Time.Advance(Bench.Lease);
        await Bench.NothingThereAsync(receiver);
        var dead = await Bench.NextAsync(await bench.OpenAsync("orders.dlq"));
        Assert.Equal(delivery.Envelope with { DeadLetter = Info }, dead.Envelope);
        Assert.Equal(0, dead.Redeliveries);
    }

    [Fact]
    public async Task A_dead_letter_queue_has_none_itself()
    {
        await using var bench = await Bench.StartAsync();
        await bench.SendAsync("1", queue: "orders.dlq");
        var receiver = await bench.OpenAsync("orders.dlq");
        var delivery = await Bench.NextAsync(receiver);

        var result = await Bench.SettleAsync(receiver, Settlement.DeadLetter(delivery, Info));

        Assert.Equal(SettleStatus.Failed, result.Status);
        Assert.Equal(TransportError.Other, Assert.IsType<TransportException>(result.Error).Reason);
        Assert.Contains("'orders.dlq' is a dead-letter queue", result.Error.Message, StringComparison.Ordinal);
        Assert.Equal(SettleResult.Settled, await Bench.SettleAsync(receiver, Settlement.Release(delivery)));
    }

    [Fact]
    public async Task Without_its_dead_letter_queue_the_message_stays_and_can_be_settled_the_same_way_later()
    {
        await using var bench = await Bench.StartAsync();
        var receiver = await bench.OpenAsync();
        await bench.SendAsync("1");
        var delivery = await Bench.NextAsync(receiver);
        Assert.True(bench.Broker.DeleteQueue("orders.dlq"));

        var result = await Bench.SettleAsync(receiver, Settlement.DeadLetter(delivery, Info));
        Assert.Equal(SettleStatus.Failed, result.Status);
        Assert.IsType<TransportException>(result.Error);
        Assert.Equal(SettleStatus.Settled, await Bench.RenewAsync(receiver, delivery));

        await bench.DeclareAsync([Bench.Queue], []);
        Assert.Equal(SettleResult.Settled, await Bench.SettleAsync(receiver, Settlement.DeadLetter(delivery, Info)));
        Assert.Equal("1", (await Bench.NextAsync(await bench.OpenAsync("orders.dlq"))).Envelope.Id);
    }
}
