namespace Postrider.Testing.Tests.Harness;

public sealed class FakeBusTests
{
    [Fact]
    public async Task It_keeps_what_it_is_given()
    {
        var bus = new FakeBus();

        var receipt = await bus.PublishAsync(new OrderPlaced(1, 1), new() { MessageId = "one", Key = "k" });
        await bus.SendAsync("archive", new OrderPlaced(2, 1));
        await bus.PublishAsync("text", new() { Topic = "texts" });

        Assert.Equal(new("one", PublishStatus.Stored), receipt);
        Assert.Equal(["topic 'orders.placed'", "queue 'archive'"], bus.Published<OrderPlaced>().Times(2).Select(static one => one.Destination.ToString()));
        Assert.Equal("k", bus.Published<OrderPlaced>(static order => order.Id == 1).Once().Options.Key);
        Assert.Equal("topic 'texts'", bus.Published<string>().Once().Destination.ToString());
        var failure = Assert.Throws<MessagingTestException>(() => bus.Published<InvoiceRequested>().Once());
        Assert.Contains("OrderPlaced { Id = 2, Total = 1 }", failure.Message, StringComparison.Ordinal);
        bus.Clear();
        bus.Published<OrderPlaced>().Never();
    }

    [Fact]
    public async Task It_refuses_what_has_no_destination_and_heeds_the_token()
    {
        var bus = new FakeBus();

        await Assert.ThrowsAnyAsync<ArgumentException>(async () => await bus.PublishAsync("text"));
        await Assert.ThrowsAnyAsync<ArgumentException>(async () => await bus.SendAsync("", "text"));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await bus.PublishAsync(new OrderPlaced(1, 1), null, new(canceled: true)));
    }

    [Fact]
    public async Task Batches_work()
    {
        var bus = new FakeBus();

        var items = await bus.PublishBatchAsync([new OrderPlaced(1, 1), new OrderPlaced(2, 1)]);

        Assert.All(items, static item => Assert.Equal(PublishStatus.Stored, item.Status));
        bus.Published<OrderPlaced>().Times(2);
    }
}
