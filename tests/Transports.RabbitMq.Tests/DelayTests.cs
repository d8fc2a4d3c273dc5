using System.Diagnostics;
using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>The ladder of delays: its arithmetic, and what happens when parts of it are missing.</summary>
public sealed class DelayTests
{
    [Fact]
    public void No_delay_is_early_and_none_is_late_by_more_than_a_64th()
    {
        var random = new Random(4711);
        for (var i = 0; i < 100_000; i++)
        {
            var delay = TimeSpan.FromTicks(1 + (long)(DelayTime.Longest.Ticks * Math.Pow(random.NextDouble(), 12)));
            delay = delay > DelayTime.Longest ? DelayTime.Longest : delay;
            var rungs = DelayTime.Rungs(delay);
            var sum = TimeSpan.FromMilliseconds(Enumerable.Range(0, DelayTime.Levels).Where(level => (rungs >> level & 1) != 0).Sum(DelayTime.Milliseconds));
            Assert.InRange(sum - delay, TimeSpan.Zero, (delay / 64) + TimeSpan.FromMilliseconds(125));
            Assert.InRange(System.Numerics.BitOperations.PopCount(rungs), 1, 7 + 8);
        }

        Assert.Equal(1UL, DelayTime.Rungs(TimeSpan.FromTicks(1)));
        Assert.Equal(0b10UL, DelayTime.Rungs(TimeSpan.FromMilliseconds(250)));
        Assert.Equal(0b11UL, DelayTime.Rungs(TimeSpan.FromMilliseconds(250.1)));
        Assert.True(DelayTime.Milliseconds(DelayTime.Levels - 1) <= uint.MaxValue, "The broker's timers end there.");
        Assert.True(DelayTime.RoutingKey(new string('q', 47), DelayTime.Rungs(DelayTime.Longest)).Length <= 255);
    }

    [Fact]
    public void Keys_meet_the_patterns_of_their_own_queue_and_level_only()
    {
        var queues = new[] { "orders", "orders.eu", "eu", "1.orders", "0", "orders.1" };
        foreach (var queue in queues)
        {
            for (var rungs = 1UL; rungs < 64; rungs++)
            {
                var key = DelayTime.RoutingKey(queue, rungs);
                for (var level = 0; level <= DelayTime.Top(rungs); level++)
                {
                    var isSet = (rungs >> level & 1) != 0;
                    Assert.Equal(!isSet, TopicPattern.Matches(DelayTime.Pattern(null, level, '0'), key));
                    Assert.Equal(isSet ? [queue] : [], queues.Where(other => TopicPattern.Matches(DelayTime.Pattern(other, level, '1'), key)));
                }

                Assert.Equal([queue], queues.Where(other => TopicPattern.Matches(DelayLadder.EndPattern(other), key)));
            }
        }
    }

    [Fact]
    public async Task Longer_than_the_ladder_is_rejected()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        Assert.Equal(PublishStatus.Rejected, Assert.Single(await transport.SendAsync(queue, DelayTime.Longest + TimeSpan.FromTicks(1), Server.Message("1"))).Status);
        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.SendAsync(queue, DelayTime.Longest, Server.Message("1"))).Status);
    }

    [Fact]
    public async Task Many_delays_of_one_queue_each_come_in_their_time()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue("a.b");
        await transport.DeclareAsync(queue);
        await using var receiver = await transport.OpenAsync(queue);
        var delays = Enumerable.Range(1, 40).Select(i => TimeSpan.FromMilliseconds(i * 90)).ToArray();
        await transport.SendAsync(queue, TimeSpan.FromMilliseconds(125 * 63), Server.Message("warm")); // all rungs are there
        var start = Stopwatch.GetTimestamp();
        var results = await transport.PublishAsync([.. delays.Select((delay, i) => new OutgoingMessage(Destination.Queue(queue), Server.Message("1", $"{i}"), delay))]);
        Assert.All(results, result => Assert.Equal(PublishStatus.Stored, result.Status));
        for (var i = 0; i < delays.Length; i++)
        {
            var got = await receiver.OneAsync();
            var (took, delay) = (Stopwatch.GetElapsedTime(start), delays[int.Parse(got.Envelope.Id, null)]);
            Assert.InRange(took, delay, delay + TimeSpan.FromSeconds(2));
            await receiver.SettleAsync(Settlement.Ack(got));
        }
    }

    [Fact]
    public async Task A_deleted_queue_holds_up_no_other_queues_delays()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var (gone, there) = (Server.NewQueue("gone"), Server.NewQueue());
        await transport.DeclareAsync(gone, there);
        // More than the window of the broker's worker, so that they would be in the way of anything behind them.
        var results = await transport.PublishAsync([.. Enumerable.Range(0, 100).Select(i => new OutgoingMessage(Destination.Queue(gone), Server.Message("1", $"g{i}"), TimeSpan.FromMilliseconds(300)))]);
        Assert.All(results, result => Assert.Equal(PublishStatus.Stored, result.Status));
        await Server.DeleteQueueAsync(gone);
        await transport.SendAsync(there, TimeSpan.FromMilliseconds(500), Server.Message("1", "m1"));

        await using var receiver = await transport.OpenAsync(there);
        Assert.Equal("m1", (await receiver.OneAsync()).Envelope.Id);
    }

    [Fact]
    public async Task A_deleted_rung_is_made_again()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, TimeSpan.FromMilliseconds(125), Server.Message("1"));
        await using var receiver = await transport.OpenAsync(queue);
        await receiver.SettleAsync(Settlement.Ack(await receiver.OneAsync()));
        await Server.DeleteQueueAsync(DelayLadder.Rung(queue, 0));

        var first = Assert.Single(await transport.SendAsync(queue, TimeSpan.FromMilliseconds(125), Server.Message("2")));
        Assert.Equal((PublishStatus.NotSent, true), (first.Status, Assert.IsType<TransportException>(first.Error).IsTransient));
        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.SendAsync(queue, TimeSpan.FromMilliseconds(125), Server.Message("2"))).Status);
        Assert.Equal("2", (await receiver.OneAsync()).Text());
    }

    [Fact]
    public async Task A_delayed_topic_publish_knows_bindings_that_another_process_has_just_made()
    {
        Server.Require();
        await using var publisher = Server.Transport();
        var topic = Server.NewQueue("t");
        for (var i = 0; i < 20; i++)
        {
            await using var consumer = Server.Transport();
            var queue = Server.NewQueue();
            await consumer.DeclareAsync(new Topology([queue], [new($"{topic}.{i}", queue), new($"{topic}.{i}.#", queue)]), Server.Deadline);
            Assert.Equal(PublishStatus.Stored, Assert.Single(await publisher.PublishAsync(
                new OutgoingMessage(Destination.Topic($"{topic}.{i}"), Server.Message("1"), TimeSpan.FromMilliseconds(125)))).Status);
            await using var receiver = await consumer.OpenAsync(queue);
            await receiver.OneAsync();
            await Server.DeleteQueueAsync(queue);
        }
    }

    [Fact]
    public async Task A_thousand_bindings_are_declared_quickly()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var (queue, topic) = (Server.NewQueue(), Server.NewQueue("t"));
        var topology = new Topology([queue], [.. Enumerable.Range(0, 1000).Select(i => new Binding($"{topic}.{i}.*", queue))]);
        var start = Stopwatch.GetTimestamp();
        await transport.DeclareAsync(topology, Server.Deadline);
        TestContext.Current.SendDiagnosticMessage($"1,000 bindings: {Stopwatch.GetElapsedTime(start).TotalMilliseconds:F0} ms");
        start = Stopwatch.GetTimestamp();
        await transport.DeclareAsync(topology, Server.Deadline);
        TestContext.Current.SendDiagnosticMessage($"again: {Stopwatch.GetElapsedTime(start).TotalMilliseconds:F0} ms");
        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.PublishAsync(
            new OutgoingMessage(Destination.Topic($"{topic}.999.x"), Server.Message("1"), TimeSpan.FromMilliseconds(125)))).Status);
        await using var receiver = await transport.OpenAsync(queue);
        await receiver.OneAsync();
    }
}
