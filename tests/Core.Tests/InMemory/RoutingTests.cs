using System.Text;
using Postrider.Core.InMemory;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.InMemory;

public sealed class RoutingTests
{
    [Fact]
    public async Task A_queue_gets_one_copy_however_many_of_its_bindings_match()
    {
        await using var bench = await Bench.StartAsync();
        await bench.DeclareAsync(
            ["audit", Bench.Queue], [new("#", "audit"), new("orders.*", Bench.Queue), new("orders.placed", Bench.Queue)]);

        var result = await bench.PublishAsync(new(Destination.Topic("orders.placed"), Bench.Message("1")));

        Assert.Equal(PublishStatus.Stored, result.Status);
        foreach (var queue in new[] { Bench.Queue, "audit" })
        {
            var receiver = await bench.OpenAsync(queue);
            var delivery = await Bench.NextAsync(receiver);
            Assert.Equal(("1", queue, 1, 0), (delivery.Envelope.Id, delivery.Queue, delivery.Envelope.Attempt, delivery.Redeliveries));
            await Bench.NothingThereAsync(receiver);
        }
    }

    [Fact]
    public async Task A_binding_declared_later_takes_effect_on_a_topic_that_was_used_before()
    {
        await using var bench = await Bench.StartAsync();
        Assert.Equal(PublishStatus.Unroutable, (await bench.PublishAsync(new(Destination.Topic("stock.low"), Bench.Message("1")))).Status);

        await bench.DeclareAsync(["stock"], [new("stock.*", "stock")]);

        Assert.Equal(PublishStatus.Stored, (await bench.PublishAsync(new(Destination.Topic("stock.low"), Bench.Message("2")))).Status);
        Assert.Equal("2", (await Bench.NextAsync(await bench.OpenAsync("stock"))).Envelope.Id);
    }

    [Fact]
    public async Task Declaring_again_keeps_messages_and_bindings()
    {
        await using var bench = await Bench.StartAsync();
        await bench.SendAsync("1");

        await bench.DeclareAsync([Bench.Queue], []);

        Assert.Equal("1", (await Bench.NextAsync(await bench.OpenAsync())).Envelope.Id);
        Assert.Equal(PublishStatus.Stored, (await bench.PublishAsync(new(Destination.Topic("orders"), Bench.Message("2")))).Status);
    }

    [Fact]
    public async Task Each_item_of_a_batch_has_its_own_result()
    {
        await using var bench = await Bench.StartAsync();
        var results = new PublishResult[7];

        await bench.Transport.PublishAsync(
            new OutgoingMessage[]
            {
                new(Destination.Queue("missing"), Bench.Message("1")),
                new(Destination.Topic("nobody.listens"), Bench.Message("2")),
                new(Destination.Queue("No\nQueue"), Bench.Message("3")),
                new(Destination.Topic("no..topic"), Bench.Message("4")),
                new(Destination.Topic("orders.*"), Bench.Message("5")),
                new(default, Bench.Message("6")),
                new(Destination.Queue(Bench.Queue), Bench.Message("7")),
            },
            results,
            Bench.Token);

        Assert.Equal(
            [
                PublishStatus.Unroutable, PublishStatus.Unroutable, PublishStatus.Rejected, PublishStatus.Rejected, PublishStatus.Rejected,
                PublishStatus.Rejected, PublishStatus.Stored,
            ],
            Array.ConvertAll(results, result => result.Status));
        Assert.All(results[..6], result => Assert.IsType<MessagingException>(result.Error, exactMatch: false));
        Assert.Contains("missing", results[0].Error!.Message, StringComparison.Ordinal);
        Assert.Equal("7", (await Bench.NextAsync(await bench.OpenAsync())).Envelope.Id);
    }

    [Fact]
    public async Task A_cancelled_publish_stores_nothing_and_does_not_throw()
    {
        await using var bench = await Bench.StartAsync();
        var results = new PublishResult[1];

        await bench.Transport.PublishAsync(
            new OutgoingMessage[] { new(Destination.Queue(Bench.Queue), Bench.Message("1")) },
            results,
            new CancellationToken(canceled: true));

        Assert.Equal(PublishStatus.NotSent, results[0].Status);
        await Bench.NothingThereAsync(await bench.OpenAsync());
    }

    [Fact]
    public async Task The_publisher_may_use_its_memory_again()
    {
        await using var bench = await Bench.StartAsync();
        var body = Encoding.UTF8.GetBytes("before");
        var headers = new Dictionary<string, string> { ["k"] = "before" };

        await bench.PublishAsync(new(Destination.Queue(Bench.Queue), new() { Id = "1", Body = body, Headers = headers }));
        body.AsSpan().Fill((byte)'x');
        headers["k"] = "after";

        var envelope = (await Bench.NextAsync(await bench.OpenAsync())).Envelope;
        Assert.Equal("before", Encoding.UTF8.GetString(envelope.Body.Span));
        Assert.Equal("before", envelope.Headers["k"]);
    }

    [Fact]
    public async Task Transports_on_one_broker_share_its_queues()
    {
        await using var bench = await Bench.StartAsync();
        await using var other = new InMemoryTransport(bench.Broker);
        await bench.SendAsync("1");

        var receiver = await other.OpenReceiverAsync(new() { Queue = Bench.Queue }, Bench.Token);

        Assert.Equal("1", (await Bench.NextAsync(receiver)).Envelope.Id);
    }

    [Fact]
    public async Task Bindings_of_a_delayed_message_are_those_of_the_moment_of_publishing()
    {
        await using var bench = await Bench.StartAsync();
        await bench.PublishAsync(new(Destination.Topic("orders.placed"), Bench.Message("1"), TimeSpan.FromMinutes(1)));
        await bench.DeclareAsync(["late"], [new("orders.#", "late")]);

        bench.Time.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal("1", (await Bench.NextAsync(await bench.OpenAsync())).Envelope.Id);
        await Bench.NothingThereAsync(await bench.OpenAsync("late"));
    }
}
