using Postrider.Core.Transport;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>What goes in comes out, through the real broker; and whatever others put there does no harm.</summary>
public sealed class EnvelopeTests
{
    [Fact]
    public async Task Every_property_and_colliding_headers_come_back()
    {
        Server.Require();
        var sent = new Envelope
        {
            Id = "id-1",
            Type = "orders.placed",
            ContentType = "application/vnd.x+json; charset=utf-8",
            Body = "[1,2]"u8.ToArray(),
            SentAt = new DateTimeOffset(2026, 11, 22, 12, 30, 1, 234, TimeSpan.Zero),
            Topic = "orders.placed.eu",
            Source = "shop",
            Key = "customer \"7\" \\ ß",
            CorrelationId = "flow",
            Attempt = 400,
            TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            TraceState = "a=b",
            Baggage = "k=v",
            Headers = new Dictionary<string, string>
            {
                ["plain"] = "x",
                ["traceparent"] = "spoof",
                ["baggage"] = "spoof",
                ["cloudEvents_time"] = "spoof",
                ["cloudEvents:id"] = "spoof",
                ["x-postrider-attempt"] = "9",
                ["x-postrider-redeliveries"] = "9",
                ["x-postrider-user-x"] = "nested",
                ["x-postrider-id"] = "spoof",
                ["x-delivery-count"] = "9",
                ["x-death"] = "mine",
                ["x-first-death-queue"] = "mine",
                ["x-acquired-count"] = "9",
                ["x-stream-offset"] = "9",
                ["CC"] = "somewhere",
                ["BCC"] = "else",
                ["x-opt-anything"] = "mine",
                ["x-tenant"] = "a",
                ["emoji \U0001F600"] = "line\nbreak \u2028 </script>",
                ["nul"] = "a\0b",
            },
        };
        Same(sent, await ThroughAsync(sent));
    }

    [Fact]
    public async Task Properties_longer_than_a_short_string_travel_as_headers()
    {
        Server.Require();
        var text = new string('ä', 200);
        var sent = new Envelope { Id = "i" + text, Type = "t" + text, ContentType = "c" + text, Source = "s" + text, CorrelationId = "x" + text, Body = "1"u8.ToArray() };
        Same(sent, await ThroughAsync(sent));
        await using var transport = Server.Transport();
        Assert.Equal(PublishStatus.Unroutable, Assert.Single(await transport.SendAsync(Server.NewQueue(), sent)).Status);
    }

    [Fact]
    public async Task Times_keep_their_milliseconds_whenever_they_were()
    {
        Server.Require();
        foreach (var time in (DateTimeOffset[])[DateTimeOffset.UnixEpoch, new(1931, 2, 3, 4, 5, 6, 789, TimeSpan.FromHours(3)), new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), new(9999, 12, 31, 23, 59, 59, 999, TimeSpan.Zero)])
        {
            var got = await ThroughAsync(Server.Message("1") with { SentAt = time });
            Assert.Equal(time.ToUnixTimeMilliseconds(), got.SentAt?.ToUnixTimeMilliseconds());
        }
    }

    [Fact]
    public async Task What_amqp_cannot_hold_is_rejected_alone()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        var good = Server.Message("1");
        var results = await transport.SendAsync(
            queue, good,
            good with { Headers = new Dictionary<string, string> { [new string('n', 250)] = "v" } },
            good with { Headers = new Dictionary<string, string> { ["half"] = "\ud800" } },
            good with { Key = "\udc00" },
            good with { Headers = Enumerable.Range(0, 40).ToDictionary(i => $"h{i}", _ => new string('v', 4000)) },
            good with { Id = "" },
            good);
        Assert.Equal(
            [PublishStatus.Stored, PublishStatus.Rejected, PublishStatus.Rejected, PublishStatus.Rejected, PublishStatus.Rejected, PublishStatus.Rejected, PublishStatus.Stored],
            results.Select(result => result.Status));
    }

    [Fact]
    public async Task Header_values_of_every_amqp_type_are_read_as_text()
    {
        Server.Require();
        var got = await ForeignAsync(new()
        {
            MessageId = "m1",
            Headers = new Dictionary<string, object?>
            {
                ["text"] = "ä",
                ["bytes"] = new byte[] { 0xFF, 0xFE },
                ["int"] = -5,
                ["long"] = 1L << 40,
                ["short"] = (short)7,
                ["byte"] = (byte)200,
                ["true"] = true,
                ["double"] = 1.5,
                ["float"] = 0.25f,
                ["decimal"] = 12.5m,
                ["null"] = null,
                ["time"] = new AmqpTimestamp(1_700_000_000),
                ["binary"] = new BinaryTableValue([1, 2]),
                ["list"] = new List<object?> { 1, "a", null, true },
                ["table"] = new Dictionary<string, object?> { ["x"] = new List<object?> { 2.5 } },
                ["x-postrider-attempt"] = "3",
                ["x-death"] = new List<object?> { new Dictionary<string, object?> { ["count"] = 1L } },
            },
        });
        Assert.Equal(
            [("binary", "AQI="), ("byte", "200"), ("bytes", "//4="), ("decimal", "12.5"), ("double", "1.5"), ("float", "0.25"), ("int", "-5"), ("list", "[1,\"a\",null,true]"),
                ("long", "1099511627776"), ("short", "7"), ("table", "{\"x\":[2.5]}"), ("text", "ä"), ("time", "2023-11-14T22:13:20Z"), ("true", "true")],
            got.Envelope.Headers.Select(header => (header.Key, header.Value)).OrderBy(header => header.Key, StringComparer.Ordinal));
        Assert.Equal(("m1", 3, 0), (got.Envelope.Id, got.Envelope.Attempt, got.Redeliveries));
        Assert.Null(got.Defect);
    }

    [Fact]
    public async Task Nonsense_in_our_own_headers_does_no_harm()
    {
        Server.Require();
        var got = await ForeignAsync(new()
        {
            Timestamp = new AmqpTimestamp(long.MaxValue),
            Headers = new Dictionary<string, object?>
            {
                ["x-postrider-attempt"] = -7L,
                ["x-postrider-redeliveries"] = new List<object?> { 1 },
                ["x-postrider-reason"] = "from the future",
                ["x-postrider-at"] = "yesterday",
                ["x-postrider-attempts"] = "many",
                ["cloudEvents_time"] = 5,
                ["cloudEvents_partitionkey"] = true,
                ["cloudEvents_expirytime"] = "tomorrow",
                ["cloudEvents_recordedtime"] = 7,
                ["x-postrider-schema-version"] = "two",
                ["traceparent"] = 5,
                ["x-postrider-unknown"] = 1,
                ["cloudEvents_id"] = "ce",
            },
        });
        Assert.Equal(("ce", 1, 0, "true", "5"), (got.Envelope.Id, got.Envelope.Attempt, got.Redeliveries, got.Envelope.Key, got.Envelope.TraceParent));
        Assert.Null(got.Envelope.SentAt);
        Assert.Empty(got.Envelope.Headers);
    }

    [Fact]
    public async Task A_foreign_message_without_an_id_has_the_same_one_at_each_hand_out()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await Server.RawAsync(channel => channel.BasicPublishAsync("", queue, true, new BasicProperties { Type = "t" }, "body"u8.ToArray()).AsTask());
        string first;
        await using (var receiver = await transport.OpenAsync(queue))
        {
            first = (await receiver.OneAsync()).Envelope.Id;
        }

        await using var other = await transport.OpenAsync(queue);
        var again = await other.OneAsync();
        Assert.StartsWith("amqp:", first, StringComparison.Ordinal);
        Assert.Equal((first, 1), (again.Envelope.Id, again.Redeliveries));
        await other.SettleAsync(Settlement.Retry(again, TimeSpan.Zero));
        Assert.Equal((first, 2), ((await other.OneAsync()) is var third ? (third.Envelope.Id, third.Envelope.Attempt) : default));
    }

    private static async Task<Envelope> ThroughAsync(Envelope sent)
    {
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.SendAsync(queue, sent)).Status);
        await using var receiver = await transport.OpenAsync(queue);
        return (await receiver.OneAsync()).Envelope;
    }

    private static async Task<Delivery> ForeignAsync(BasicProperties properties)
    {
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await Server.RawAsync(channel => channel.BasicPublishAsync("", queue, true, properties, "body"u8.ToArray()).AsTask());
        await using var receiver = await transport.OpenAsync(queue);
        return await receiver.OneAsync();
    }

    private static void Same(Envelope sent, Envelope got)
    {
        Assert.Equal(sent.Headers.OrderBy(h => h.Key, StringComparer.Ordinal), got.Headers.OrderBy(h => h.Key, StringComparer.Ordinal));
        Assert.True(sent.Body.Span.SequenceEqual(got.Body.Span));
        Assert.Equal(sent with { Body = default, Headers = Envelope.NoHeaders }, got with { Body = default, Headers = Envelope.NoHeaders });
    }
}
