using System.Diagnostics;
using System.Text;
using Postrider.Core.Transport;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>Other clients of RabbitMQ and we work on the same queues and topics.</summary>
public sealed class InteropTests
{
    [Fact]
    public async Task What_is_published_is_a_plain_durable_message()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var (queue, topic) = (Server.NewQueue(), Server.NewQueue("t") + ".placed");
        await transport.DeclareAsync(new Topology([queue], [new(topic, queue)]), Server.Deadline);
        var message = Server.Message("""{"order":7}""", "m1") with
        {
            Topic = topic,
            Type = "orders.placed",
            Source = "shop",
            CorrelationId = "flow",
            Key = "k",
            SentAt = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000),
            Headers = new Dictionary<string, string> { ["tenant"] = "a" },
        };
        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.PublishAsync(new OutgoingMessage(Destination.Topic(topic), message))).Status);

        await Server.RawAsync(async channel =>
        {
            var got = (await channel.BasicGetAsync(queue, autoAck: true))!;
            var p = got.BasicProperties;
            Assert.Equal("""{"order":7}""", Encoding.UTF8.GetString(got.Body.Span));
            Assert.Equal(("m1", "orders.placed", "shop", "flow", "application/json"), (p.MessageId, p.Type, p.AppId, p.CorrelationId, p.ContentType));
            Assert.Equal((DeliveryModes.Persistent, 1_700_000_000L, topic), (p.DeliveryMode, p.Timestamp.UnixTime, got.RoutingKey));
            Assert.Equal(["cloudEvents_partitionkey=k", "tenant=a"], p.Headers!.Where(header => !header.Key.StartsWith("x-", StringComparison.Ordinal)).Select(header => $"{header.Key}={Encoding.UTF8.GetString((byte[])header.Value!)}").Order());
        });
    }

    [Fact]
    public async Task A_foreign_publisher_reaches_our_queues_by_name_and_by_topic()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var (queue, topic) = (Server.NewQueue(), Server.NewQueue("t"));
        await transport.DeclareAsync(new Topology([queue], [new($"{topic}.#", queue)]), Server.Deadline);
        await Server.RawAsync(async channel =>
        {
            await channel.BasicPublishAsync("", queue, true, new BasicProperties { MessageId = "one" }, "1"u8.ToArray());
            await channel.BasicPublishAsync("postrider.topics", $"{topic}.x", true, new BasicProperties { MessageId = "two" }, "2"u8.ToArray());
        });

        await using var receiver = await transport.OpenAsync(queue);
        var (one, two) = (await receiver.OneAsync(), await receiver.OneAsync());
        Assert.Equal(("one", null), (one.Envelope.Id, one.Envelope.Topic));
        Assert.Equal(("two", $"{topic}.x"), (two.Envelope.Id, two.Envelope.Topic));
    }

    [Fact]
    public async Task A_foreign_consumer_gets_delayed_messages_without_any_of_our_processes()
    {
        Server.Require();
        var queue = Server.NewQueue();
        var start = Stopwatch.GetTimestamp();
        await using (var transport = Server.Transport())
        {
            await transport.DeclareAsync(queue);
            await transport.SendAsync(queue, TimeSpan.FromSeconds(1), Server.Message("late", "m1"));
        }

        await Server.RawAsync(async channel =>
        {
            BasicGetResult? got = null;
            for (var deadline = Server.Deadline; got is null; deadline.ThrowIfCancellationRequested())
            {
                got = await channel.BasicGetAsync(queue, autoAck: true);
            }

            Assert.Equal("m1", got.BasicProperties.MessageId);
            Assert.True(Stopwatch.GetElapsedTime(start) >= TimeSpan.FromSeconds(1));
        });
    }

    [Fact]
    public async Task The_clients_own_tracing_does_not_replace_the_messages_trace()
    {
        Server.Require();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name.StartsWith("RabbitMQ.Client", StringComparison.Ordinal),
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(listener);
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        const string Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        await transport.SendAsync(queue, Server.Message("1") with { TraceParent = Trace }, Server.Message("2"));
        await using var receiver = await transport.OpenAsync(queue);
        Assert.Equal(Trace, (await receiver.OneAsync()).Envelope.TraceParent);
        Assert.Null((await receiver.OneAsync()).Envelope.TraceParent);
    }

    [Fact]
    public async Task A_message_without_a_type_is_no_CloudEvent()
    {
        Server.Require();
        await using var transport = new RabbitMqTransport(Server.Options with { CloudEvents = true });
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, Server.Message("1") with { Source = "shop" });

        await Server.RawAsync(async channel => Assert.DoesNotContain(
            (await channel.BasicGetAsync(queue, autoAck: true))!.BasicProperties.Headers ?? new Dictionary<string, object?>(),
            static header => header.Key.StartsWith("cloudEvents", StringComparison.Ordinal)));
    }
}
