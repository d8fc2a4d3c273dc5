using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Publishing;

/// <summary>What each option makes of a message, and which are refused before the broker.</summary>
public sealed class PublishOptionsTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);
    private static readonly TransportException Away = new("away", TransportError.Unavailable);
    private readonly FakeTimeProvider _time = new(Noon);

    [Fact]
    public async Task Metadata_reach_the_envelope()
    {
        var transport = new ScriptedTransport();
        await using var host = await HostOn(transport);

        await host.Bus.PublishAsync(new Versioned(1), new()
        {
            Subject = "order 7",
            CorrelationId = "flow",
            CausationId = "cause",
            ReplyTo = "answers",
            OccurredAt = Noon.AddDays(-1),
        });

        var e = Assert.Single(transport.Published).Envelope;
        Assert.Equal(("order 7", "flow", "cause", "answers"), (e.Subject, e.CorrelationId, e.CausationId, e.ReplyTo));
        Assert.Equal((Noon.AddDays(-1), Noon, (DateTimeOffset?)null, 2), (e.OccurredAt, e.SentAt, e.ExpiresAt, e.SchemaVersion));
    }

    [Fact]
    public async Task Outside_of_a_handler_nothing_is_carried_on_and_no_version_is_made_up()
    {
        var transport = new ScriptedTransport();
        await using var host = await HostOn(transport);

        await host.Bus.PublishAsync(new Ping(1));

        var e = Assert.Single(transport.Published).Envelope;
        Assert.Equal((null, null, null), (e.CorrelationId, e.CausationId, e.SchemaVersion));
    }

    [Theory]
    [InlineData(0, 60, 60)]
    [InlineData(90, 60, 150)]
    public async Task The_time_to_live_begins_when_the_message_is_due(int delay, int life, int end)
    {
        var transport = new ScriptedTransport();
        await using var host = await HostOn(transport);

        await host.Bus.PublishAsync(new Ping(1), new() { Delay = TimeSpan.FromSeconds(delay), TimeToLive = TimeSpan.FromSeconds(life) });
        await host.Bus.PublishAsync(new Ping(1), new() { NotBefore = Noon.AddSeconds(delay), TimeToLive = TimeSpan.FromSeconds(life) });

        Assert.All(transport.Published, message => Assert.Equal(Noon.AddSeconds(end), message.Envelope.ExpiresAt));
        Assert.All(transport.Published, message => Assert.Equal(TimeSpan.FromSeconds(delay), message.Delay));
    }

    [Fact]
    public async Task A_time_to_live_beyond_all_dates_is_none()
    {
        var transport = new ScriptedTransport();
        await using var host = await HostOn(transport);

        await host.Bus.PublishAsync(new Ping(1), new() { TimeToLive = TimeSpan.MaxValue });
        await host.Bus.PublishAsync(new Ping(1), new() { Delay = TimeSpan.MaxValue, TimeToLive = TimeSpan.FromDays(1) });

        Assert.All(transport.Published, static message => Assert.Null(message.Envelope.ExpiresAt));
    }

    [Fact]
    public async Task Not_before_is_a_time_however_often_the_publish_is_tried()
    {
        var transport = new ScriptedTransport(new(PublishStatus.NotSent, Away), new(PublishStatus.Stored));
        await using var host = await HostOn(transport);

        var publishing = host.Bus.PublishAsync(new Ping(1), new() { NotBefore = Noon.AddMinutes(1) }).AsTask();
        await Eventually.IsAsync(() =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return publishing.IsCompleted;
        });

        Assert.Equal(TimeSpan.FromMinutes(1), transport.Published.First().Delay);
        Assert.InRange(transport.Published.Last().Delay, TimeSpan.Zero, TimeSpan.FromSeconds(59));
    }

    [Fact]
    public async Task What_has_been_due_long_ago_is_not_delayed()
    {
        var transport = new ScriptedTransport();
        await using var host = await HostOn(transport);

        await host.Bus.PublishAsync(new Ping(1), new() { NotBefore = Noon.AddDays(-1) });

        Assert.Equal(TimeSpan.Zero, Assert.Single(transport.Published).Delay);
    }

    [Fact]
    public async Task Contradictions_and_what_cannot_travel_are_refused()
    {
        var transport = new ScriptedTransport();
        await using var host = await HostOn(transport);
        var second = TimeSpan.FromSeconds(1);

        await RefusedAsync(new() { Delay = second, NotBefore = Noon }, "both");
        await RefusedAsync(new() { TimeToLive = TimeSpan.Zero }, "not positive");
        await RefusedAsync(new() { TimeToLive = -second }, "not positive");
        await RefusedAsync(new() { Subject = "a\nb" }, "subject");
        await RefusedAsync(new() { CausationId = "a\nb" }, "causation id");
        await RefusedAsync(new() { ReplyTo = "a\nb" }, "answer");
        await RefusedAsync(new() { ContentType = "application/x-unknown" }, "No serializer");
        await RefusedAsync(new() { MessageType = "other" }, "has its own name");
        Assert.Empty(transport.Published);

        async Task RefusedAsync(PublishOptions options, string why)
        {
            var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.PublishAsync(new Ping(1), options));
            Assert.Equal(PublishStatus.Rejected, e.Status);
            Assert.Contains(why, e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_content_type_chooses_the_serializer_that_writes()
    {
        var transport = new ScriptedTransport();
        await using var host = await HostOn(transport, new Upper());

        await host.Bus.PublishAsync(new Ping(1));
        await host.Bus.PublishAsync(new Ping(1), new() { ContentType = "application/json" });
        await host.Bus.PublishAsync(new Ping(1), new() { ContentType = "application/json; charset=utf-8" });

        Assert.Equal(
            [("text/upper", "PING"), ("application/json", """{"number":1,"text":""}"""), ("application/json; charset=utf-8", """{"number":1,"text":""}""")],
            transport.Published.Select(static message => (message.Envelope.ContentType!, Encoding.UTF8.GetString(message.Envelope.Body.Span))));
    }

    [Fact]
    public async Task What_foreign_ids_hold_that_cannot_be_published_is_not_carried_on()
    {
        var published = new TaskCompletionSource<Envelope>();
        await using var host = await TestHost.StartAsync(static _ => { });
        var transport = host.Services.GetRequiredService<ITransport>();
        await using var second = await TestHost.StartAsync(messaging => messaging
            .UseTransport("same", _ => new Core.InMemory.InMemoryTransport(host.Services.GetRequiredService<Core.InMemory.InMemoryBroker>()))
            .AddConsumer<Ping>("first", async (ping, context, cancellationToken) =>
            {
                await context.Services.GetRequiredService<IMessageBus>().SendAsync("second", new Pong(ping.Number), cancellationToken: cancellationToken);
                return Outcome.Ack;
            })
            .AddConsumer<Pong>("second", (_, context, _) =>
            {
                published.TrySetResult(context.Envelope);
                return new(Outcome.Ack);
            }));

        var foreign = new Envelope { Id = "id\n7", CorrelationId = "flow\n7", Type = "tests.ping", Body = """{"number":7}"""u8.ToArray() };
        var results = new PublishResult[1];
        await transport.PublishAsync(new OutgoingMessage[] { new(Destination.Queue("first"), foreign) }, results, CancellationToken.None);

        Assert.Equal(PublishStatus.Stored, results[0].Status);
        var carried = await published.Task.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal((null, null), (carried.CorrelationId, carried.CausationId));
    }

    private Task<TestHost> HostOn(ScriptedTransport transport, IMessageSerializer? serializer = null) => TestHost.StartAsync(
        messaging =>
        {
            messaging.UseTransport("scripted", _ => transport);
            if (serializer is not null)
            {
                messaging.UseSerializer(serializer);
            }
        },
        services => services.AddSingleton<TimeProvider>(_time));

    [Message("tests.versioned", Version = 2)]
    private sealed record Versioned(int Number);

    private sealed class Upper : IMessageSerializer
    {
        public string ContentType => "text/upper";

        public void Serialize<TMessage>(System.Buffers.IBufferWriter<byte> output, TMessage message)
            where TMessage : notnull =>
            Encoding.UTF8.GetBytes(typeof(TMessage).Name.ToUpperInvariant(), output);

        public TMessage Deserialize<TMessage>(ReadOnlyMemory<byte> body)
            where TMessage : notnull => throw new NotSupportedException();
    }
}
