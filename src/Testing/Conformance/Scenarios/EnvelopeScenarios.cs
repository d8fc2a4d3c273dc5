using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Metadata and headers arrive as they were sent.</summary>
public abstract class EnvelopeScenarios(TransportFixture fixture) : Scenarios(fixture)
{
    private const string TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    [Scenario(Fault.ForgetsMetadata, Fault.ForgetsExpiry, Fault.LosesTrace)]
    public async Task Every_property_arrives()
    {
        var topic = NewTopic();
        await ArrivesAsync(Complete(topic) with { Headers = new Dictionary<string, string> { ["tenant"] = "a" } }, topic);
    }

    [Scenario(Fault.InventsMetadata)]
    public async Task What_was_not_set_stays_unset() =>
        await ArrivesAsync(new() { Id = Guid.NewGuid().ToString("N"), Body = "x"u8.ToArray() });

    [Scenario(Fault.TrimsUnicode)]
    public async Task Unicode_in_every_property_arrives() =>
        await ArrivesAsync(Message($"id {Guid.NewGuid():N} ä 💌") with
        {
            Type = "bestellung.ausgelöst",
            ContentType = "text/plain; charset=utf-8",
            Source = "häuser/東京",
            Key = "ключ 🔑",
            Subject = "größe 東",
            CorrelationId = "a\tb \"c\" \\ d",
            CausationId = "ä 1",
            ReplyTo = new string('é', 200),
            ContentEncoding = "ü",
        });

    [Scenario(Fault.ForgetsHeaders, Fault.TrimsUnicode)]
    public async Task Unicode_in_header_names_and_values_arrives() =>
        await ArrivesAsync(Message() with
        {
            Headers = new Dictionary<string, string>
            {
                ["größe"] = "zwölf",
                ["鍵"] = "値",
                ["💌"] = "👩‍🚀 e\u0301",
                ["with space: and = \"quotes\""] = " leading and trailing ",
                ["UPPER"] = "1",
                ["upper"] = "2",
                ["lines"] = "a\r\nb\tc",
                ["percent"] = "%41 %zz +",
            },
        });

    [Scenario(Fault.ForgetsHeaders, Fault.TrimsHeaders)]
    public async Task Empty_and_long_and_many_headers_arrive()
    {
        var headers = Enumerable.Range(0, 62).ToDictionary(static i => $"header-{i}", static i => $"{i}");
        headers.Add("empty", "");
        headers.Add(new string('n', 128), new string('v', 4096));
        await ArrivesAsync(Message() with { Headers = headers });
    }

    [Scenario(Fault.ForgetsHeaders, Fault.TrustsReservedHeaders)]
    public async Task Headers_that_look_reserved_change_no_property() =>
        await ArrivesAsync(Message() with
        {
            TraceParent = TraceParent,
            Key = "key",
            Headers = new Dictionary<string, string>
            {
                ["ce-id"] = "other",
                ["ce-type"] = "other",
                ["ce-subject"] = "other",
                ["ce-partitionkey"] = "other",
                ["ce-correlationid"] = "other",
                ["ce-expirytime"] = "2001-01-01T00:00:00Z",
                ["ce-datacontenttype"] = "application/x-other",
                ["ce-traceparent"] = "00-00000000000000000000000000000001-0000000000000001-00",
                ["ce-tenantid"] = "ä \"b\"%",
                ["ce-empty"] = "",
                ["ce-Odd"] = "other",
                ["cloudEvents_expirytime"] = "2001-01-01T00:00:00Z",
                ["content-encoding"] = "gzip",
                ["reply-to"] = "other",
                ["cloudEvents:id"] = "other",
                ["traceparent"] = "00-00000000000000000000000000000001-0000000000000001-00",
                ["tracestate"] = "other=1",
                ["baggage"] = "other=1",
                ["x-postrider-attempt"] = "9",
                ["postrider-attempt"] = "9",
                ["content-type"] = "application/x-other",
                ["Content-Type"] = "application/x-other",
                ["Nats-Msg-Id"] = "other",
                ["x-delivery-count"] = "9",
                ["x-death"] = "9",
                ["id"] = "other",
                ["type"] = "other",
                ["attempt"] = "9",
            },
        });

    [Scenario(Fault.LosesTrace)]
    public async Task Trace_context_crosses_a_retry_and_the_dead_letter_queue()
    {
        var (transport, queue, receiver) = await StartAsync();
        var sent = Message() with { TraceParent = TraceParent, TraceState = "a=1,b=2", Baggage = "k=v%20w" };
        await SendAsync(transport, queue, sent);

        await SettledAsync(receiver, Settlement.Retry(await TakeOneAsync(receiver), TimeSpan.Zero));
        var retried = await TakeOneAsync(receiver);
        await SettledAsync(receiver, Settlement.DeadLetter(retried, Reason(retried)));
        var dead = await TakeOneAsync(await OpenAsync(transport, Names.DeadLetterQueue(queue)));

        Assert.All([retried, dead], one => Assert.Equal(
            (sent.TraceParent, sent.TraceState, sent.Baggage),
            (one.Envelope.TraceParent, one.Envelope.TraceState, one.Envelope.Baggage)));
    }

    private async Task ArrivesAsync(Envelope sent, string? topic = null)
    {
        var transport = await ConnectAsync();
        var queue = topic is null ? await QueueAsync(transport) : await QueueAsync(transport, topic);
        await StoreAsync(transport, topic is null ? To(queue, sent) : On(topic, sent));

        var delivery = await TakeOneAsync(await OpenAsync(transport, queue));

        EnvelopeAssert.Same(sent, delivery.Envelope);
        Assert.Null(delivery.Defect);
    }
}
