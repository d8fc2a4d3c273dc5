using System.Text;
using Postrider.Brokers;
using Postrider.Core.Transport;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>Levels as they are on this broker: what leads to them, what foreign clients see, and what happens when parts of them are missing or others still bind the old way.</summary>
/// <remarks>Not beside the test that floods the stream of bindings, and so pushes notes out before anybody notes them again.</remarks>
[Collection("What bindings are noted")]
public sealed class PriorityTests
{
    [Fact]
    public async Task One_publish_goes_to_the_level_where_there_are_levels_and_to_the_queue_where_there_are_none()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var (leveled, plain, topic) = (Server.NewQueue("l"), Server.NewQueue("a.b"), Server.NewQueue("t"));
        await transport.DeclareAsync(new([leveled, plain], [new($"{topic}.*", leveled), new($"{topic}.#", leveled), new($"{topic}.#", plain)], [leveled]), Server.Deadline);
        var batch = Enumerable.Range(0, 10).Select(level => new OutgoingMessage(Destination.Topic($"{topic}.x"), Message(level))).ToArray();
        Assert.All(await transport.PublishAsync([.. batch, new(Destination.Topic($"{topic}.x"), Message(null))]), static result => Assert.Equal(PublishStatus.Stored, result.Status));

        await HoldsAsync(leveled, "4", "");
        foreach (var level in Enumerable.Range(0, 10).Where(static level => level != Priorities.Default))
        {
            await HoldsAsync($"{leveled}~{level}", $"{level}");
        }

        await HoldsAsync(plain, [.. Enumerable.Range(0, 10).Select(static level => $"{level}"), ""]);
    }

    [Fact]
    public async Task What_is_sent_goes_to_the_level_or_the_queue_or_a_queue_that_others_have_made()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var (leveled, plain, foreign) = (Server.NewQueue("l.x"), Server.NewQueue(), Server.NewQueue("foreign"));
        await transport.DeclareAsync(new([leveled, plain], [], [leveled]), Server.Deadline);
        await Server.RawAsync(channel => channel.QueueDeclareAsync(foreign, durable: true, exclusive: false, autoDelete: false));
        foreach (var queue in (string[])[leveled, plain, foreign, Names.DeadLetterQueue(leveled)])
        {
            Assert.All(await transport.SendAsync(queue, Message(9), Message(4)), static result => Assert.Equal(PublishStatus.Stored, result.Status));
        }

        await HoldsAsync(leveled, "4");
        await HoldsAsync(leveled + "~9", "9");
        await HoldsAsync(plain, "9", "4");
        Assert.Equal((string[])["4", "9"], (await BodiesAsync(foreign)).Order());
        await HoldsAsync(Names.DeadLetterQueue(leveled), "9", "4");

        var missing = Assert.Single(await transport.SendAsync(Server.NewQueue("none"), Message(9)));
        Assert.Equal(PublishStatus.Unroutable, missing.Status);
        Assert.Contains("There is no queue 'none-", missing.Error!.Message, StringComparison.Ordinal);
        var results = await transport.PublishAsync(
            new OutgoingMessage(Destination.Queue(plain), Message(9)), new(Destination.Queue(foreign), Message(8)), new(Destination.Queue(plain), Message(7), TimeSpan.FromMilliseconds(1)));
        Assert.All(results, static result => Assert.Equal(PublishStatus.Stored, result.Status));
        await HoldsAsync(foreign, "8");
    }

    [Fact]
    public async Task Delayed_messages_end_in_their_level_and_have_the_ladder_of_their_queue()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var (queue, topic) = (Server.NewQueue("d.x"), Server.NewQueue("t"));
        await transport.DeclareAsync(new([queue], [new(topic, queue)], [queue]), Server.Deadline);
        var delay = TimeSpan.FromMilliseconds(300);
        await transport.PublishAsync(new OutgoingMessage(Destination.Queue(queue), Message(9), delay), new(Destination.Topic(topic), Message(0), delay), new(Destination.Queue(queue), Message(null), delay));
        Assert.Equal(3, await DepthAsync(transport, queue));
        await Server.IsAsync(async () => await CountAsync(queue) == 1 && await CountAsync(queue + "~9") == 1 && await CountAsync(queue + "~0") == 1);
        Assert.Equal(3, await DepthAsync(transport, queue));

        await using var receiver = await transport.OpenAsync(queue);
        var got = await receiver.OneAsync();
        Assert.Equal((9, queue), (got.Envelope.Priority, got.Queue));
        await receiver.SettleAsync(Settlement.Retry(got, TimeSpan.FromMilliseconds(125)));
        await receiver.StopAsync(Server.Deadline);
        await Server.IsAsync(async () => await CountAsync(queue + "~9") == 1);
        Assert.Equal(3, await DepthAsync(transport, queue));
    }

    [Fact]
    public async Task What_waits_when_a_queue_gets_priorities_is_of_the_default_level_and_bindings_of_others_lead_to_the_levels_from_then_on()
    {
        Server.Require();
        var (queue, topic) = (Server.NewQueue(), Server.NewQueue("t"));
        await using var earlier = Server.Transport();
        await earlier.DeclareAsync(new([queue], [new($"{topic}.#", queue), new($"{topic}.a", queue)]), Server.Deadline);
        await earlier.PublishAsync(new OutgoingMessage(Destination.Topic($"{topic}.a"), Message(9, "before")));
        await earlier.SendAsync(queue, TimeSpan.FromMilliseconds(1), Message(null, "warm"));

        await using var later = Server.Transport();
        await later.DeclareAsync(new([queue], [new($"{topic}.*", queue)], [queue]), Server.Deadline);
        await earlier.DeclareAsync(new([queue], [new($"{topic}.#", queue), new($"{topic}.b", queue)]), Server.Deadline);
        await earlier.PublishAsync(
            new OutgoingMessage(Destination.Topic($"{topic}.a"), Message(9, "a")), new(Destination.Topic($"{topic}.b"), Message(9, "b")), new(Destination.Topic($"{topic}.a"), Message(null, "plain")),
            new(Destination.Queue(queue), Message(9, "delayed"), TimeSpan.FromMilliseconds(200)));

        await Server.IsAsync(async () => await CountAsync(queue + "~9") == 3);
        await HoldsAsync(queue + "~9", "a", "b", "delayed");
        Assert.Equal((string[])["before", "plain", "warm"], (await BodiesAsync(queue)).Order());
    }

    [Fact]
    public async Task A_binding_to_the_queue_itself_that_came_back_goes_at_the_next_declaration()
    {
        Server.Require();
        var (queue, topic) = (Server.NewQueue(), Server.NewQueue("t"));
        await using var transport = Server.Transport();
        await transport.DeclareAsync(new([queue], [new(topic, queue)], [queue]), Server.Deadline);
        await Server.RawAsync(async channel =>
        {
            await channel.QueueBindAsync(queue, RabbitMqTopology.Topics, topic);
            await channel.QueueBindAsync(queue, DelayLadder.End, DelayLadder.EndPattern(queue));
        });
        await transport.DeclareAsync(new([queue], [new(topic, queue)]), Server.Deadline);
        await transport.PublishAsync(new OutgoingMessage(Destination.Topic(topic), Message(7)), new(Destination.Queue(queue), Message(7)));
        await HoldsAsync(queue + "~7", "7", "7");
        await HoldsAsync(queue);
    }

    [Fact]
    public async Task Priorities_and_bindings_that_are_declared_at_once_neither_lose_nor_double()
    {
        Server.Require();
        await using var one = Server.Transport();
        await using var other = Server.Transport();
        for (var round = 0; round < 5; round++)
        {
            var (queue, topic) = (Server.NewQueue(), Server.NewQueue("t"));
            await Task.WhenAll(
                one.DeclareAsync(new([queue], [new($"{topic}.*", queue)], [queue]), Server.Deadline).AsTask(),
                other.DeclareAsync(new([queue], [new($"{topic}.#", queue)]), Server.Deadline).AsTask());
            await one.PublishAsync(new OutgoingMessage(Destination.Topic($"{topic}.a"), Message(9)), new(Destination.Queue(queue), Message(9)));
            await HoldsAsync(queue + "~9", "9", "9");
            await HoldsAsync(queue);
            await Server.RawAsync(async channel =>
            {
                foreach (var name in (string[])[queue, Names.DeadLetterQueue(queue), .. QueueLevels.SubQueues(queue)])
                {
                    await channel.QueueDeleteAsync(name);
                }
            });
        }
    }

    [Fact]
    public async Task Foreign_messages_are_of_the_default_level_unless_their_header_says_another()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var (queue, topic) = (Server.NewQueue(), Server.NewQueue("t"));
        await transport.DeclareAsync(new([queue], [new(topic, queue)], [queue]), Server.Deadline);
        await Server.RawAsync(async channel =>
        {
            await channel.BasicPublishAsync("", queue, mandatory: true, new BasicProperties(), Encoding.UTF8.GetBytes("sent"));
            await channel.BasicPublishAsync(RabbitMqTopology.Topics, topic, mandatory: true, new BasicProperties { Priority = 7 }, Encoding.UTF8.GetBytes("seven"));
            await channel.BasicPublishAsync(RabbitMqTopology.Topics, topic, mandatory: true, new BasicProperties { Priority = 200 }, Encoding.UTF8.GetBytes("200"));
            await channel.BasicPublishAsync(
                RabbitMqTopology.Topics, topic, mandatory: true,
                new BasicProperties { Headers = new Dictionary<string, object?> { [EnvelopeMapper.Level] = "8" } }, Encoding.UTF8.GetBytes("header"));
        });
        await Server.IsAsync(async () => await CountAsync(queue) == 3 && await CountAsync(queue + "~8") == 1);

        // What they say is told, and where they go once they are sent by us.
        await using var receiver = await transport.OpenAsync(queue);
        var got = new List<Delivery>();
        while (got.Count < 4)
        {
            got.Add(await receiver.OneAsync());
        }

        Assert.Equal([(null, "sent"), (7, "seven"), (8, "header"), (9, "200")], got.Select(static one => (one.Envelope.Priority, one.Text())).OrderBy(static one => one.Priority ?? 0));
        await receiver.SettleAsync(Settlement.Retry(got.Single(static one => one.Text() == "seven"), TimeSpan.FromMilliseconds(1)));
        await receiver.StopAsync(Server.Deadline);
        await Server.IsAsync(async () => await CountAsync(queue + "~7") == 1);
    }

    [Fact]
    public async Task A_level_that_is_deleted_is_noticed_loses_nothing_that_comes_and_is_made_again()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        var topology = new Topology([queue], [], [queue]);
        await transport.DeclareAsync(topology, Server.Deadline);
        await using var receiver = await transport.OpenAsync(queue);
        var waiting = receiver.ReceiveAsync(1, Server.Deadline).AsTask();
        await Server.DeleteQueueAsync(queue + "~7");
        var error = await Assert.ThrowsAsync<TransportException>(() => waiting);
        Assert.True(error.IsTransient || error.Reason == TransportError.QueueNotFound, error.ToString());
        Assert.Contains(queue + "~7", error.Message, StringComparison.Ordinal);

        await transport.SendAsync(queue, Message(7));
        await HoldsAsync(queue, "7");
        Assert.Equal(TransportError.QueueNotFound, (await Assert.ThrowsAsync<TransportException>(async () => await receiver.OneAsync())).Reason);
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, Message(7));
        Assert.Equal(1U, await CountAsync(queue + "~7"));
        Assert.Equal("7", (await receiver.OneAsync()).Text());
    }

    [Fact]
    public async Task A_queue_without_priorities_has_only_what_it_always_had()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, Message(9));
        foreach (var name in QueueLevels.SubQueues(queue))
        {
            await Assert.ThrowsAnyAsync<Exception>(() => CountAsync(name));
        }

        await using var receiver = await transport.OpenAsync(queue);
        Assert.Equal(9, (await receiver.OneAsync()).Envelope.Priority);
    }

    [Fact]
    public async Task Where_nothing_may_be_made_levels_are_found()
    {
        Server.Require();
        await using var looking = new RabbitMqTransport(Server.Options with { CreateTopology = false });
        await using var making = Server.Transport();
        var queue = Server.NewQueue();
        await making.DeclareAsync(queue);
        Assert.Equal(
            TransportError.QueueNotFound, (await Assert.ThrowsAsync<TransportException>(async () => await looking.DeclareAsync(new([queue], [], [queue]), Server.Deadline))).Reason);
        await making.DeclareAsync(new([queue], [], [queue]), Server.Deadline);
        await looking.DeclareAsync(new([queue], [], [queue]), Server.Deadline);
        await looking.DeclareAsync(queue);
        await looking.SendAsync(queue, Message(null), Message(0), Message(9));
        await using var receiver = await looking.OpenAsync(queue);
        Assert.Equal("9", (await receiver.OneAsync()).Text());
        Assert.Equal(3, await DepthAsync(looking, queue));
    }

    [Fact]
    public async Task Stopping_hands_all_levels_back_in_their_order()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(new([queue], [], [queue]), Server.Deadline);
        await transport.SendAsync(queue, [.. Enumerable.Range(0, 20).Select(static i => Message(i % 10, $"{i}"))]);
        await using (var receiver = await transport.OpenAsync(queue))
        {
            var taken = new List<Delivery>();
            while (taken.Count < 2)
            {
                taken.AddRange(await receiver.ReceiveAsync(2 - taken.Count, Server.Deadline));
            }

            await receiver.StopAsync(Server.Deadline);
            await receiver.SettleAsync([.. taken.Select(Settlement.Ack)]);
        }

        var levels = new List<string>();
        for (var level = 9; level >= 0; level--)
        {
            levels.AddRange(await BodiesAsync(Priorities.SubQueue(queue, level)));
        }

        Assert.Equal(Enumerable.Range(0, 9).Reverse().SelectMany(static level => (string[])[$"{level}", $"1{level}"]), levels);
    }

    [Fact]
    public async Task What_was_just_stored_in_new_levels_survives_a_kill_of_the_broker()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        var deadline = TestContext.Current.CancellationToken;
        await using var broker = await PrivateBroker.StartNewAsync("rabbitmq", Server.Transport, cancellationToken: deadline);
        await using (var publisher = Server.Transport(broker.ConnectionString))
        {
            await publisher.DeclareAsync(new(["orders"], [new("orders.#", "orders")]), deadline);
            await publisher.DeclareAsync(new(["orders"], [new("orders.#", "orders")], ["orders"]), deadline);
            Assert.All(
                await publisher.PublishAsync([.. Enumerable.Range(0, 10).Select(static level => new OutgoingMessage(Destination.Topic("orders.placed"), Message(level)))]),
                static result => Assert.Equal(PublishStatus.Stored, result.Status));
            await broker.KillAsync(deadline);
        }

        await broker.StartAsync(deadline);
        var left = Enumerable.Range(0, 10).Select(static level => $"{level}").ToHashSet();
        while (left.Count > 0)
        {
            // Until the queues have their leaders again.
            deadline.ThrowIfCancellationRequested();
            try
            {
                await using var transport = Server.Transport(broker.ConnectionString);
                await using var receiver = await transport.OpenAsync("orders");
                while (left.Count > 0)
                {
                    var got = await receiver.OneAsync();
                    left.Remove(got.Text());
                    await receiver.SettleAsync(Settlement.Ack(got));
                }
            }
            catch (TransportException e) when (e.IsTransient)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, deadline);
            }
        }
    }

    private static Envelope Message(int? level, string? body = null) => Server.Message(body ?? $"{level}") with { Priority = level };

    private static Task<uint> CountAsync(string queue) => Server.RawAsync(channel => channel.MessageCountAsync(queue));

    private static async ValueTask<long> DepthAsync(IQueueDepth transport, string queue) => (await transport.DepthAsync(queue, Server.Deadline)).Total;

    private static async Task HoldsAsync(string queue, params string[] bodies) => Assert.Equal(bodies, await BodiesAsync(queue));

    /// <summary>Takes all that is in a queue of the broker.</summary>
    private static Task<string[]> BodiesAsync(string queue) => Server.RawAsync(async channel =>
    {
        var bodies = new List<string>();
        while (await channel.BasicGetAsync(queue, autoAck: true) is { } got)
        {
            bodies.Add(Encoding.UTF8.GetString(got.Body.Span));
        }

        return bodies.ToArray();
    });
}
