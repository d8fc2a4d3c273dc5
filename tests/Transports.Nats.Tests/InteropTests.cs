using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats.Tests;

/// <summary>Other clients, without Postrider, on the same streams.</summary>
public sealed class InteropTests
{
    [Fact]
    public async Task What_is_published_is_the_body_with_CloudEvents_headers()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, new Envelope
        {
            Id = "7 ä",
            Type = "order",
            Source = "shop",
            ContentType = "application/json",
            Key = "k",
            Body = "{ }"u8.ToArray(),
            TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            Headers = new Dictionary<string, string> { ["tenant"] = "a b" },
        });

        var message = (await Server.AskAsync($"STREAM.MSG.GET.postrider_q_{queue}", """{"seq":1}""")).GetProperty("message");

        Assert.Equal("{ }", Encoding.UTF8.GetString(message.GetProperty("data").GetBytesFromBase64()));
        Assert.Equal(
            """
            NATS/1.0
            Nats-Msg-Id: 7%20%C3%A4
            ce-specversion: 1.0
            ce-id: 7%20%C3%A4
            ce-type: order
            ce-source: shop
            ce-partitionkey: k
            ce-datacontenttype: application/json
            traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
            tenant: a b
            """.ReplaceLineEndings("\r\n") + "\r\n\r\n",
            Encoding.UTF8.GetString(message.GetProperty("hdrs").GetBytesFromBase64()));
    }

    [Fact]
    public async Task A_foreign_publish_to_a_topic_reaches_our_receiver()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var (queue, topic) = (Server.NewQueue(), Server.NewQueue("t"));
        await transport.BindAsync(queue, topic + ".#");
        await using var raw = await Server.RawAsync();
        var answer = await raw.RequestAsync<string, string>($"postrider.t.{topic}.placed", "hello", cancellationToken: Server.Deadline);
        var sequence = JsonDocument.Parse(answer.Data!).RootElement.GetProperty("seq").GetUInt64();

        await using var receiver = await transport.OpenAsync(queue);
        var got = await receiver.OneAsync();

        Assert.Equal(("hello", topic + ".placed", $"nats:postrider_topics:{sequence}"), (got.Text(), got.Envelope.Topic, got.Envelope.Id));
        Assert.Equal(SettleStatus.Settled, Assert.Single(await receiver.SettleAsync(Settlement.Retry(got, TimeSpan.Zero))).Status);
        var again = await receiver.OneAsync();
        Assert.Equal((got.Envelope.Id, topic + ".placed", 2), (again.Envelope.Id, again.Envelope.Topic, again.Envelope.Attempt));
    }

    [Fact]
    public async Task What_is_acked_is_gone_from_every_stream()
    {
        Server.Require();
        // Apart from the other tests, whose queues may be bound to everything.
        var prefix = Server.NewQueue("p");
        await using var transport = new NatsTransport(Server.Options with { Prefix = prefix });
        var (queue, topic) = (Server.NewQueue(), Server.NewQueue("t"));
        await transport.BindAsync(queue, topic);
        await transport.PublishAsync(new OutgoingMessage(Destination.Topic(topic), Server.Message("1") with { Topic = topic }));
        await transport.SendAsync(queue, Server.Message("2"));
        await using var receiver = await transport.OpenAsync(queue);
        var got = new List<Delivery>();
        while (got.Count < 2)
        {
            got.AddRange(await receiver.ReceiveAsync(2 - got.Count, Server.Deadline));
        }

        await receiver.SettleAsync([.. got.Select(one => Settlement.DeadLetter(one, new() { Reason = DeadLetterReason.Rejected, Queue = queue }))]);
        await using var dead = await transport.OpenAsync(Names.DeadLetterQueue(queue));
        Assert.Equal(["1", "2"], (await dead.DrainAsync(2)).Select(one => one.Text()).Order());
        await dead.NothingAsync();

        // Acks are not answered, so their effect is waited for.
        foreach (var stream in (string[])[$"{prefix}_q_{queue}", $"{prefix}_q_{queue}=dlq"])
        {
            await UntilAsync(async () => (await Server.AskAsync("STREAM.INFO." + stream)).GetProperty("state").GetProperty("messages").GetInt32() == 0);
        }

        await UntilAsync(async () =>
        {
            var left = await Server.AskAsync($"STREAM.INFO.{prefix}_topics", $$"""{"subjects_filter":"{{prefix}}.t.{{topic}}"}""");
            return !left.GetProperty("state").TryGetProperty("subjects", out var subjects) || !subjects.EnumerateObject().Any();
        });
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        var deadline = Server.Deadline;
        while (!await condition())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, deadline);
        }
    }

    [Fact]
    public async Task The_clients_own_tracing_does_not_replace_the_messages_trace()
    {
        Server.Require();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name is "NATS.Net",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(listener);
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        var traced = Server.Message("1") with
        {
            TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            TraceState = "a=b",
            Baggage = "user=7",
        };
        using var caller = new Activity("caller").SetIdFormat(ActivityIdFormat.W3C).AddBaggage("stray", "1").Start();
        await transport.SendAsync(queue, traced, Server.Message("2"));
        await using var receiver = await transport.OpenAsync(queue);
        var got = await receiver.OneAsync();
        Assert.Equal((traced.TraceParent, traced.TraceState, traced.Baggage), (got.Envelope.TraceParent, got.Envelope.TraceState, got.Envelope.Baggage));
        // Neither is one of its next attempt.
        await receiver.SettleAsync(Settlement.Retry(got, TimeSpan.Zero));
        var others = new[] { await receiver.OneAsync(), await receiver.OneAsync() };
        Assert.Equal(traced.TraceParent, others.Single(one => one.Text() == "1").Envelope.TraceParent);
        var untraced = others.Single(one => one.Text() == "2").Envelope;
        Assert.Equal((null, null, null), (untraced.TraceParent, untraced.TraceState, untraced.Baggage));
    }
}
