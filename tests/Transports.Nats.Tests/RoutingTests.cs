using Postrider.Core.Transport;

namespace Postrider.Transports.Nats.Tests;

/// <summary>Bindings: many, overlapping, added while others receive.</summary>
public sealed class RoutingTests
{
    [Fact]
    public async Task A_thousand_topics_of_one_queue_arrive_once()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var (queue, root) = (Server.NewQueue(), Server.NewQueue("t"));
        await transport.BindAsync(queue, [.. Enumerable.Range(0, 1000).Select(i => $"{root}.t{i}.x")]);
        var results = await transport.PublishAsync([.. Enumerable.Range(0, 1000).Select(i => On($"{root}.t{i}.x"))]);
        Assert.All(results, result => Assert.Equal(PublishStatus.Stored, result.Status));
        Assert.Equal(PublishStatus.Unroutable, Assert.Single(await transport.PublishAsync(On($"{root}.t1000.x"))).Status);

        await using var receiver = await transport.OpenAsync(queue);
        var got = await receiver.DrainAsync(1000);

        Assert.Equal(1000, got.Select(one => one.Envelope.Topic).Distinct().Count());
        await receiver.NothingAsync();
    }

    [Fact]
    public async Task What_the_filter_takes_too_much_is_dropped_and_not_delivered_later()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var (queue, all, root) = (Server.NewQueue(), Server.NewQueue(), Server.NewQueue("t"));
        await transport.BindAsync(queue, $"{root}.#.end", $"{root}.*.b");
        await transport.BindAsync(all, $"{root}.#");
        await transport.PublishAsync(On($"{root}.x"), On($"{root}.a.b"), On($"{root}.x.y.end"), On($"{root}.x.y"));

        await using var receiver = await transport.OpenAsync(queue);
        Assert.Equal([$"{root}.a.b", $"{root}.x.y.end"], (await receiver.DrainAsync(2)).Select(one => one.Envelope.Topic));
        await receiver.NothingAsync();
        await using var every = await transport.OpenAsync(all);
        await every.DrainAsync(4);
        var left = await Server.AskAsync($"CONSUMER.INFO.postrider_topics.{queue}");
        Assert.Equal((0, 0), (left.GetProperty("num_pending").GetInt32(), left.GetProperty("num_ack_pending").GetInt32()));
    }

    [Fact]
    public async Task A_binding_that_another_process_adds_reaches_an_open_receiver()
    {
        Server.Require();
        await using var transport = Server.Transport();
        await using var other = Server.Transport();
        var (queue, root) = (Server.NewQueue(), Server.NewQueue("t"));
        await transport.DeclareAsync(queue);
        await using var receiver = await transport.OpenAsync(queue);
        foreach (var topic in (string[])[$"{root}.one", $"{root}.two", $"{root}.three.x"])
        {
            var waiting = receiver.ReceiveAsync(1, Server.Deadline).AsTask();
            await other.BindAsync(queue, topic);
            Assert.Equal(PublishStatus.Stored, Assert.Single(await other.PublishAsync(On(topic))).Status);
            var got = Assert.Single(await waiting);
            Assert.Equal((topic, 0), (got.Envelope.Topic, got.Redeliveries));
            await receiver.SettleAsync(Settlement.Ack(got));
        }
    }

    [Fact]
    public async Task A_binding_that_another_process_adds_reaches_a_receiver_that_has_just_asked_for_more()
    {
        Server.Require();
        await using var transport = Server.Transport();
        await using var other = Server.Transport();
        var (queue, root) = (Server.NewQueue(), Server.NewQueue("t"));
        await transport.BindAsync(queue, $"{root}.0");
        await using var receiver = await transport.OpenAsync(queue);
        await ExpectAsync(0);
        for (var i = 1; i <= 10; i++)
        {
            // The receiver has asked for ten, got one, and has not heard of the binding.
            await other.BindAsync(queue, $"{root}.{i}");
            await ExpectAsync(i);
        }

        async Task ExpectAsync(int i)
        {
            Assert.Equal(PublishStatus.Stored, Assert.Single(await other.PublishAsync(On($"{root}.{i}"))).Status);
            var got = Assert.Single(await receiver.ReceiveAsync(10, Server.Deadline));
            Assert.Equal(($"{root}.{i}", 0), (got.Envelope.Topic, got.Redeliveries));
            await receiver.SettleAsync(Settlement.Ack(got));
        }
    }

    [Fact]
    public async Task Many_that_bind_different_topics_at_once_lose_none()
    {
        Server.Require();
        var (queue, root) = (Server.NewQueue(), Server.NewQueue("t"));
        var transports = Enumerable.Range(0, 8).Select(_ => Server.Transport()).ToArray();
        await Task.WhenAll(transports.Select((transport, i) => Task.Run(async () =>
        {
            for (var j = 0; j < 3; j++)
            {
                await transport.BindAsync(queue, $"{root}.{i}.t{j}");
                // As soon as it is declared it is in force, whatever others are adding.
                Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.PublishAsync(On($"{root}.{i}.t{j}"))).Status);
            }
        })));

        await using var receiver = await transports[0].OpenAsync(queue);
        Assert.Equal(24, (await receiver.DrainAsync(24)).Select(one => one.Envelope.Topic).Distinct().Count());
        foreach (var transport in transports)
        {
            await transport.DisposeAsync();
        }
    }

    private static OutgoingMessage On(string topic) => new(Destination.Topic(topic), Server.Message(topic) with { Topic = topic });
}
