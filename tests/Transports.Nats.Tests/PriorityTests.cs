using System.Collections.Concurrent;
using Postrider.Brokers;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats.Tests;

/// <summary>Levels of a queue: what goes where on the server, and how much is claimed.</summary>
[Collection("Scenarios that kill a broker")]
public sealed class PriorityTests
{
    [Fact]
    public async Task No_more_is_claimed_than_was_asked_for()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var (queue, topic) = (Server.NewQueue(), Server.NewTopic());
        await LevelsAsync(transport, queue, topic);
        await transport.SendAsync(queue, [.. Enumerable.Range(0, 60).Select(i => Of(i % 3 * 4, $"{i}"))]);
        await transport.PublishAsync([.. Enumerable.Range(0, 20).Select(i => On(topic, Of(null, $"{i}")))]);
        await using var receiver = await OpenAsync(transport, queue, oneIn: 3);

        for (var taken = 0; taken < 33;)
        {
            taken += (await receiver.ReceiveAsync(5, Server.Deadline)).Count;
            Assert.InRange(await InHandAsync(queue), 0, taken);
        }
    }

    [Fact]
    public async Task One_that_waits_in_the_lowest_level_has_its_turn_behind_any_backlog()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await LevelsAsync(transport, queue);
        await transport.SendAsync(queue, [.. Enumerable.Repeat(5, 40).Select(level => Of(level, "high")), Of(0, "low"), Of(0, "low")]);
        await using var receiver = await OpenAsync(transport, queue, oneIn: 10);

        var order = new List<string>();
        while (order.Count < 30)
        {
            order.Add((await receiver.DrainAsync(1))[0].Text());
        }

        Assert.Equal([9, 19], order.Select((text, i) => text == "low" ? i : -1).Where(static i => i >= 0));
    }

    [Fact]
    public async Task A_topic_is_stored_once_for_each_queue_and_a_second_try_nowhere()
    {
        Server.Require();
        await using var transport = Server.Transport();
        await using var other = Server.Transport();
        var (levelled, plain, topic) = (Server.NewQueue(), Server.NewQueue(), Server.NewTopic());
        await LevelsAsync(transport, levelled, topic);
        var urgent = Of(9, "urgent");
        Assert.Equal(PublishStatus.Stored, Assert.Single(await other.PublishAsync(On(topic, urgent))).Status);
        Assert.Equal(PublishStatus.Duplicate, Assert.Single(await other.PublishAsync(On(topic, urgent))).Status);
        // The other process has read the bindings, and hears of this queue when it publishes.
        await transport.BindAsync(plain, topic);
        var (first, second) = (Of(0, "first"), Of(null, "second"));
        foreach (var expected in (PublishStatus[])[PublishStatus.Stored, PublishStatus.Duplicate])
        {
            Assert.All(await other.PublishAsync(On(topic, first), On(topic, second)), result => Assert.Equal(expected, result.Status));
        }

        Assert.Equal(PublishStatus.Unroutable, Assert.Single(await other.PublishAsync(On(topic + ".x", Of(9, "nobody")))).Status);
        await using var byLevel = await OpenAsync(transport, levelled, oneIn: 0);
        await using var inOrder = await OpenAsync(transport, plain);
        Assert.Equal(["urgent", "second", "first"], (await byLevel.DrainAsync(3)).Select(static one => one.Text()));
        Assert.Equal(["first", "second"], (await inOrder.DrainAsync(2)).Select(static one => one.Text()));
        await byLevel.NothingAsync();
        await inOrder.NothingAsync();
        await DepthIsAsync(transport, levelled, 0);
    }

    [Fact]
    public async Task A_topics_delayed_message_is_counted_and_comes_into_its_level()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var (queue, topic) = (Server.NewQueue(), Server.NewTopic());
        await LevelsAsync(transport, queue, topic);
        await transport.PublishAsync(
            On(topic, Of(8, "late")) with { Delay = TimeSpan.FromMilliseconds(300) }, On(topic, Of(9, "now")), On(topic, Of(null, "topic")));
        await DepthIsAsync(transport, queue, 3);

        await using var receiver = await OpenAsync(transport, queue);
        var got = await receiver.DrainAsync(3);

        Assert.Equal(["now", "topic", "late"], got.Select(static one => one.Text()));
        Assert.StartsWith($"postrider_q_{queue}~:", got[2].BrokerPosition, StringComparison.Ordinal);
        await DepthIsAsync(transport, queue, 0);
    }

    [Fact]
    public async Task Another_client_may_send_to_the_queue_and_to_a_level()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await LevelsAsync(transport, queue);
        await using var raw = await Server.RawAsync();
        await raw.RequestAsync<string, string>($"postrider.q.{queue}", "plain", cancellationToken: Server.Deadline);
        await raw.RequestAsync<string, string>($"postrider.q.{queue}~9", "urgent", cancellationToken: Server.Deadline);
        await using var receiver = await OpenAsync(transport, queue);

        var urgent = await receiver.OneAsync();
        Assert.Equal(("urgent", 9, queue), (urgent.Text(), urgent.Envelope.Priority, urgent.Queue));
        await receiver.SettleAsync(Settlement.Retry(urgent, TimeSpan.Zero));
        urgent = await receiver.OneAsync();
        Assert.Equal(("urgent", 9, 2), (urgent.Text(), urgent.Envelope.Priority, urgent.Envelope.Attempt));
        var plain = await receiver.OneAsync();
        Assert.Equal(("plain", null), (plain.Text(), plain.Envelope.Priority));
    }

    [Fact]
    public async Task A_receiver_that_waits_hears_of_levels_that_another_process_makes()
    {
        Server.Require();
        await using var transport = Server.Transport();
        await using var other = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await using var receiver = await OpenAsync(transport, queue);
        var waiting = receiver.ReceiveAsync(1, Server.Deadline).AsTask();
        await LevelsAsync(other, queue);

        await other.SendAsync(queue, Of(2, "low"));

        var got = Assert.Single(await waiting);
        Assert.Equal("low", got.Text());
        Assert.StartsWith($"postrider_q_{queue}~:", got.BrokerPosition, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_came_for_one_that_waited_in_all_levels_is_handed_back_when_it_stops()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await LevelsAsync(transport, queue);
        await using var stopping = await OpenAsync(transport, queue);
        var waiting = stopping.ReceiveAsync(1, Server.Deadline).AsTask();
        await Server.AskAsync($"CONSUMER.INFO.postrider_q_{queue}~.9");
        await transport.SendAsync(queue, Of(9, "a"), Of(5, "b"), Of(0, "c"));
        await stopping.SettleAsync(Settlement.Ack(Assert.Single(await waiting)));
        await stopping.StopAsync(Server.Deadline);

        await using var receiver = await OpenAsync(transport, queue);
        Assert.Equal(2, (await receiver.DrainAsync(2)).Select(static one => one.Text()).Distinct().Count());
        await receiver.NothingAsync();
    }

    [Fact]
    public async Task A_receiver_that_waits_asks_each_level_twice_a_second_at_most_when_nothing_comes()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await LevelsAsync(transport, queue, Server.NewTopic());
        await using var receiver = await OpenAsync(transport, queue);
        await receiver.NothingAsync(TimeSpan.FromSeconds(1));
        var pulls = new ConcurrentQueue<string>();
        await using var spy = await Server.RawAsync();
        await using var heard = await spy.SubscribeCoreAsync<string>($"$JS.API.CONSUMER.MSG.NEXT.postrider_q_{queue}~.>", cancellationToken: Server.Deadline);
        await spy.PingAsync(Server.Deadline);
        await receiver.NothingAsync(TimeSpan.FromSeconds(2));
        await spy.PingAsync(Server.Deadline);
        while (heard.Msgs.TryRead(out var pull))
        {
            pulls.Enqueue(pull.Data!);
        }

        // Four or five rounds of nine levels, and the first question to each.
        Assert.InRange(pulls.Count, 9, 9 * 7);
    }

    [Fact]
    public async Task Over_a_kill_of_the_server_each_level_keeps_what_it_has()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        await using var server = await PrivateBroker.StartNewAsync("nats", Conformance.NatsFixture.Connect);
        await using var transport = Conformance.NatsFixture.Connect(server.ConnectionString);
        var queue = Server.NewQueue();
        await LevelsAsync(transport, queue);
        await using var receiver = await OpenAsync(transport, queue, oneIn: 0);
        await transport.SendAsync(queue, [.. Enumerable.Range(0, 30).Select(i => Of(i % 10, $"{i % 10}"))]);
        await server.KillAsync(Server.Deadline);
        await server.StartAsync();

        var order = new List<string>();
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (order.Count < 30)
        {
            try
            {
                order.AddRange((await receiver.DrainAsync(1)).Select(static one => one.Text()));
            }
            catch (TransportException e) when (e.IsTransient)
            {
                await pause.WaitForNextTickAsync(Server.Deadline);
            }
        }

        Assert.Equal(order.OrderDescending(), order);
    }

    private static Envelope Of(int? level, string body) => Server.Message(body) with { Priority = level };

    private static OutgoingMessage On(string topic, Envelope envelope) => new(Destination.Topic(topic), envelope with { Topic = topic });

    private static ValueTask LevelsAsync(NatsTransport transport, string queue, params string[] patterns) =>
        transport.DeclareAsync(new([queue], [.. patterns.Select(pattern => new Binding(pattern, queue))], [queue]), Server.Deadline);

    private static ValueTask<IReceiver> OpenAsync(NatsTransport transport, string queue, int oneIn = 10) =>
        transport.OpenReceiverAsync(new() { Queue = queue, LowerPriorityOneIn = oneIn }, Server.Deadline);

    private static async Task<int> InHandAsync(string queue)
    {
        string[] consumers = [$"postrider_topics.{queue}", $"postrider_q_{queue}.ready", .. "012356789".Select(level => $"postrider_q_{queue}~.{level}")];
        var infos = await Task.WhenAll(consumers.Select(consumer => Server.AskAsync("CONSUMER.INFO." + consumer)));
        return infos.Sum(static info => info.GetProperty("num_ack_pending").GetInt32());
    }

    private static async Task DepthIsAsync(NatsTransport transport, string queue, long expected)
    {
        var deadline = Server.Deadline;
        while ((await ((IQueueDepth)transport).DepthAsync(queue, deadline)).Total != expected)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, deadline);
        }
    }
}
