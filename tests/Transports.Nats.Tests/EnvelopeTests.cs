using System.Text;
using Microsoft.Extensions.Primitives;
using NATS.Client.Core;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats.Tests;

/// <summary>What goes in comes out, through the real server; and whatever others write does no harm.</summary>
public sealed class EnvelopeTests
{
    [Fact]
    public async Task Every_property_and_colliding_headers_come_back()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        var sent = new Envelope
        {
            Id = "id-1 ä\u2028",
            Type = "orders.placed",
            ContentType = "application/vnd.x+json; charset=utf-8",
            Body = new byte[] { 0, 13, 10, 255 },
            SentAt = new DateTimeOffset(2026, 11, 22, 12, 30, 1, 234, TimeSpan.FromHours(2)).AddTicks(5678),
            Topic = "orders.placed.eu",
            Source = "shop",
            Key = "customer \"7\" \\ ß\r\nNats-Rollup: all",
            CorrelationId = "100 %41",
            Attempt = 4,
            TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            TraceState = "a=b",
            Baggage = "k=v,ü=\n",
            Headers = new Dictionary<string, string>
            {
                ["plain"] = "x",
                ["Plain"] = "case is kept",
                ["Content-Type"] = "not the content type",
                ["content-type"] = "nor this",
                ["ce-id"] = "spoof",
                ["CE-ID"] = "spoof",
                ["traceparent"] = "spoof",
                ["Nats-Msg-Id"] = "spoof",
                ["nats-msg-id"] = "spoof",
                ["Nats-Rollup"] = "all",
                ["Nats-Expected-Stream"] = "other",
                ["Nats-Expected-Last-Sequence"] = "4711",
                ["Status"] = "503",
                ["x-postrider-attempt"] = "99",
                ["x-postrider-counted"] = "99",
                ["x-postrider-user-x"] = "nested",
                ["a: b\r\nNats-Rollup"] = "all",
                ["value"] = "1\r\nNats-Rollup: all",
                ["percent"] = "%41",
                [" "] = " ",
                [""] = "",
                ["emoji \U0001F600"] = "line\nbreak \u2028 </script>",
            },
        };

        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.SendAsync(queue, sent)).Status);
        await using var receiver = await transport.OpenAsync(queue);
        var got = await receiver.OneAsync();

        Assert.Equal(sent.Body.ToArray(), got.Envelope.Body.ToArray());
        Assert.Equal(sent.Headers.OrderBy(h => h.Key, StringComparer.Ordinal), got.Envelope.Headers.OrderBy(h => h.Key, StringComparer.Ordinal));
        Assert.Equal(sent with { Body = default, Headers = Envelope.NoHeaders }, got.Envelope with { Body = default, Headers = Envelope.NoHeaders });
        Assert.Equal(0, got.Redeliveries);
    }

    [Fact]
    public async Task Half_a_surrogate_pair_is_refused_and_its_neighbours_are_stored()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);

        var results = await transport.SendAsync(
            queue, Server.Message("1"), Server.Message("2", "\ud800"), Server.Message("3") with { Key = "\udc00" },
            Server.Message("4") with { Headers = new Dictionary<string, string> { ["\ud800"] = "" } }, Server.Message("5"));

        Assert.Equal(
            [PublishStatus.Stored, PublishStatus.Rejected, PublishStatus.Rejected, PublishStatus.Rejected, PublishStatus.Stored],
            results.Select(result => result.Status));
        await using var receiver = await transport.OpenAsync(queue);
        Assert.Equal(["1", "5"], (await receiver.DrainAsync(2)).Select(one => one.Text()));
    }

    [Fact]
    public async Task Odd_messages_of_others_are_read()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await using var raw = await Server.RawAsync();
        var subject = $"postrider.q.{queue}";
        await raw.RequestAsync<byte[], byte[]>(subject, [1, 0, 255], cancellationToken: Server.Deadline);
        await RequestAsync(new() { ["tenant"] = new StringValues(["a", "b"]), ["Content-Type"] = "text/x", ["x-postrider-attempt"] = "many" });
        await RequestAsync(new() { ["ce-time"] = "yesterday", ["ce-id"] = "%zz%4", ["x-postrider-delay"] = "-5", ["x-postrider-counted"] = "99999999999999999999" });
        await RequestAsync(new() { ["ce-id"] = "", ["x-postrider-reason"] = "unheard-of", ["x-postrider-unknown"] = "ignored", ["ce-extension"] = "kept" });
        await RequestAsync(new() { ["bytes"] = "\u00e4\u00ff" });

        await using var receiver = await transport.OpenAsync(queue);
        var got = await receiver.DrainAsync(5);

        Assert.Equal((byte[])[1, 0, 255], got[0].Envelope.Body.ToArray());
        Assert.Equal($"nats:postrider_q_{queue}:1", got[0].Envelope.Id);
        Assert.Equal(("a, b", "text/x", 1), (got[1].Envelope.Headers["tenant"], got[1].Envelope.ContentType, got[1].Envelope.Attempt));
        Assert.Equal(("%zz%4", null, 0), (got[2].Envelope.Id, got[2].Envelope.SentAt, got[2].Redeliveries));
        Assert.Equal(($"nats:postrider_q_{queue}:4", "kept"), (got[3].Envelope.Id, Assert.Single(got[3].Envelope.Headers).Value));
        Assert.Equal(DeadLetterReason.Rejected, got[3].Envelope.DeadLetter?.Reason);
        Assert.Single(got[4].Envelope.Headers);
        Assert.All(got, one => Assert.Null(one.Defect));

        async Task RequestAsync(NatsHeaders headers) =>
            await raw.RequestAsync<byte[], byte[]>(subject, Encoding.UTF8.GetBytes("x"), headers, cancellationToken: Server.Deadline);
    }

    [Fact]
    public void By_the_binding_the_content_type_tells_a_structured_event_and_the_version_a_complete_binary_one()
    {
        var structured = Write(new() { Id = "1", ContentType = "application/cloudevents+json" });
        Assert.Equal(
            ("application/cloudevents+json", false, false),
            ((string?)structured["content-type"], structured.ContainsKey("ce-datacontenttype"), structured.ContainsKey("ce-specversion")));
        var read = new EnvelopeReader()
            .Read("NATS/1.0\r\nce-datacontenttype: text/x\r\nContent-Type: Application/CloudEvents+JSON\r\n\r\n"u8, [], null, new("s", 1, 1, 0)).Envelope;
        Assert.Equal("Application/CloudEvents+JSON", read.ContentType);

        Assert.Equal("1.0", Write(new() { Id = "1", Type = "t", Source = "s" })["ce-specversion"]);
        Assert.False(Write(new() { Id = "1", Type = "t" }).ContainsKey("ce-specversion"));

        static NatsHeaders Write(Envelope envelope)
        {
            var headers = new NatsHeaders();
            EnvelopeMapper.Write(headers, envelope, envelope.Id, onTopic: false);
            return headers;
        }
    }
}
