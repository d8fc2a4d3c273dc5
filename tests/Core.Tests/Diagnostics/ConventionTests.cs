using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Diagnostics;

/// <summary>OpenTelemetry's messaging conventions to the letter: attributes, when they are there, units, and what is not told unless asked for.</summary>
public sealed class ConventionTests
{
    private static readonly double[] Buckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

    [Fact]
    public async Task Spans_have_what_samplers_ask_for_when_they_are_created_under_the_names_of_the_broker()
    {
        using var told = new TelemetryRecorder();
        await using var host = await StartAsync("conv.created", static (_, _, _) => new(Outcome.Ack), topic: "conv.made");

        await host.Bus.PublishAsync(new Ping(1), new() { Topic = "conv.made", MessageId = "7", CorrelationId = "c" });
        await Eventually.IsAsync(() => told.Spans.Any(static one => one.OperationName.EndsWith("conv.created", StringComparison.Ordinal)));
        await host.StopAsync();

        Assert.Equal(
            "messaging.destination.name=x:conv.made messaging.message.conversation_id=c messaging.message.id=7 messaging.operation.name=publish messaging.operation.type=send "
            + "messaging.rabbitmq.destination.routing_key=conv.made messaging.system=inmemory server.address=broker.test server.port=5",
            Assert.Single(told.AtCreation, static one => one.Name == "publish x:conv.made").Tags);
        Assert.Equal(
            "messaging.consumer.group.name=conv.created messaging.destination.name=x:conv.made:conv.created messaging.message.conversation_id=c messaging.message.id=7 "
            + "messaging.operation.name=process messaging.operation.type=process messaging.rabbitmq.destination.routing_key=conv.made messaging.rabbitmq.message.delivery_tag=9 "
            + "messaging.system=inmemory server.address=broker.test server.port=5",
            Assert.Single(told.AtCreation, static one => one.Name == "process x:conv.made:conv.created").Tags);
        Assert.All(
            told.Spans.Where(static one => one.OperationName.Contains("conv.made", StringComparison.Ordinal)),
            static one => Assert.Equal(ActivityStatusCode.Unset, one.Status));
    }

    [Fact]
    public async Task Metrics_have_the_names_units_buckets_and_attributes_of_the_conventions()
    {
        using var told = new TelemetryRecorder();
        await using var host = await StartAsync("conv.metrics", static (_, _, _) => new(Outcome.Ack), topic: "conv.metered");

        await host.Bus.PublishAsync(new Ping(1), new() { Topic = "conv.metered" });
        await Eventually.IsAsync(() => told.Measured.Any(static one => one.Name == "messaging.process.duration" && one.Tags.Contains("conv.metrics", StringComparison.Ordinal)));
        await host.StopAsync();

        const string Sent =
            "messaging.destination.name=x:conv.metered messaging.operation.name=publish messaging.operation.type=send messaging.system=inmemory server.address=broker.test server.port=5";
        const string Handled =
            "messaging.consumer.group.name=conv.metrics messaging.destination.name=conv.metrics messaging.operation.name=process messaging.operation.type=process "
            + "messaging.system=inmemory server.address=broker.test server.port=5";
        Assert.Equal(Sent, told.Tags("messaging.client.sent.messages", "conv.metered"));
        Assert.Equal(Sent, told.Tags("messaging.client.operation.duration", "conv.metered"));
        Assert.Equal(Handled, told.Tags("messaging.client.consumed.messages", "conv.metrics"));
        Assert.Equal(Handled, told.Tags("messaging.process.duration", "conv.metrics"));
        Assert.Equal(("{message}", "{message}"), (told.Instruments["messaging.client.sent.messages"].Unit, told.Instruments["messaging.client.consumed.messages"].Unit));
        foreach (var name in (string[])["messaging.client.operation.duration", "messaging.process.duration"])
        {
            var histogram = Assert.IsType<Histogram<double>>(told.Instruments[name]);
            Assert.Equal("s", histogram.Unit);
            Assert.Equal(Buckets, histogram.Advice?.HistogramBucketBoundaries);
        }

        Assert.InRange(Assert.Single(told.Measured, static one => one.Name == "postrider.lag" && one.Tags.Contains("conv.metrics", StringComparison.Ordinal)).Value, 0, 60);
        Assert.Equal(
            [1, -1], told.Measured.Where(static one => one.Name == "postrider.in_flight" && one.Tags.Contains("conv.metrics", StringComparison.Ordinal)).Select(static one => one.Value));
    }

    [Fact]
    public async Task Only_failures_have_an_error_and_all_of_them()
    {
        using var told = new TelemetryRecorder();
        await using var host = await StartAsync(
            "conv.errors",
            static (ping, _, _) => ping.Number == 1 ? throw new FormatException("bad") : ping.Number == 2 ? new(Outcome.DeadLetter("no")) : new(Outcome.Retry(TimeSpan.FromDays(1))));

        for (var i = 1; i <= 3; i++)
        {
            await host.Bus.SendAsync("conv.errors", new Ping(i), new() { MessageId = $"conv.e{i}" });
        }

        await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.SendAsync("conv.missing", new Ping(1)));
        await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.PublishAsync(new Ping(1), new() { Topic = "conv.nobody", RequireSubscribers = true }));
        await host.Bus.PublishAsync(new Ping(1), new() { Topic = "conv.nobody.minds" });
        await host.Services.GetRequiredService<ITransport>().PublishAsync(
            new OutgoingMessage[] { new(Destination.Queue("conv.errors"), new() { Id = "conv.e4", Type = "conv.unknown" }) }, new PublishResult[1], default);
        await Eventually.IsAsync(() => Enumerable.Range(1, 4).All(i => Process($"conv.e{i}") is not null));
        await host.StopAsync();

        Assert.Equal(
            [("Error", "System.FormatException"), ("Unset", null), ("Error", "exhausted"), ("Error", "unknown-type")],
            Enumerable.Range(1, 4).Select(i => (Process($"conv.e{i}")!.Status.ToString(), (string?)Process($"conv.e{i}")!.GetTagItem("error.type"))));
        Assert.Equal(("Error", "Unroutable"), Error("send conv.missing"));
        Assert.Equal(("Error", "Unroutable"), Error("publish x:conv.nobody"));
        Assert.Equal(("Unset", null), Error("publish x:conv.nobody.minds"));
        Assert.Contains("error.type=Unroutable", told.Tags("messaging.client.sent.messages", "conv.missing"), StringComparison.Ordinal);

        Activity? Process(string id) => told.Spans.FirstOrDefault(one => one.Kind == ActivityKind.Consumer && (string?)one.GetTagItem("messaging.message.id") == id);

        (string, string?) Error(string name)
        {
            var span = Assert.Single(told.Spans, one => one.OperationName == name);
            return (span.Status.ToString(), (string?)span.GetTagItem("error.type"));
        }
    }

    [Fact]
    public async Task A_template_stands_for_many_topics_and_the_names_stay_out_of_metrics()
    {
        using var told = new TelemetryRecorder();
        await using var host = await StartAsync("conv.many", static (_, _, _) => new(Outcome.Ack), new() { TopicTemplates = ["conv.order.*"] }, "conv.order.#");

        await host.Bus.PublishAsync(new Ping(1), new() { Topic = "conv.order.17" });
        await Eventually.IsAsync(() => told.Spans.Any(static one => one.OperationName == "publish conv.order.*"));
        await host.StopAsync();

        var span = Assert.Single(told.Spans, static one => one.OperationName == "publish conv.order.*");
        Assert.Equal(("conv.order.*", "x:conv.order.17"), (span.GetTagItem("messaging.destination.template"), span.GetTagItem("messaging.destination.name")));
        var tags = told.Tags("messaging.client.sent.messages", "conv.order");
        Assert.Contains("messaging.destination.template=conv.order.* ", tags, StringComparison.Ordinal);
        Assert.DoesNotContain("destination.name", tags, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Queues_of_answers_are_temporary_and_have_one_name()
    {
        using var told = new TelemetryRecorder();
        await using var host = await TestHost.StartAsync(static messaging => messaging.AddConsumer<Ping>("conv.asked", static async (_, context, cancellationToken) =>
        {
            await context.RespondAsync(new Pong(2), null, cancellationToken);
            return Outcome.Ack;
        }));

        await host.Bus.RequestAsync<Ping, Pong>("conv.asked", new Ping(1));
        await host.StopAsync();

        var question = Assert.Single(told.Spans, static one => one.OperationName == "send conv.asked");
        var answer = Assert.Single(told.Spans, one => one.OperationName == "send postrider.replies" && one.TraceId == question.TraceId);
        Assert.Equal((true, "postrider.replies"), (answer.GetTagItem("messaging.destination.temporary"), answer.GetTagItem("messaging.destination.template")));
        Assert.DoesNotContain(told.Measured, static one => one.Tags.Contains("destination.name=postrider.replies.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Sizes_settlements_and_traces_of_their_own_come_only_when_they_are_asked_for()
    {
        using var told = new TelemetryRecorder();
        await using var plain = await StartAsync("conv.plain", static (_, _, _) => new(Outcome.Ack));
        await using var full = await StartAsync("conv.full", static (_, _, _) => new(Outcome.Ack), new() { BodySizes = true, TraceSettling = true, NewTraces = true });

        await plain.Bus.SendAsync("conv.plain", new Ping(1));
        await full.Bus.SendAsync("conv.full", new Ping(1));
        await Eventually.IsAsync(() => told.Spans.Any(static one => one.OperationName == "ack conv.full"));
        await plain.StopAsync();
        await full.StopAsync();

        Assert.DoesNotContain(told.Spans, static one => one.OperationName == "ack conv.plain");
        Assert.All(Both("conv.plain"), static one => Assert.Null(one.GetTagItem("messaging.message.body.size")));
        Assert.All(Both("conv.full"), static one => Assert.Equal(22, one.GetTagItem("messaging.message.body.size")));
        Assert.Equal(Both("conv.plain")[0].TraceId, Both("conv.plain")[1].TraceId);
        var (sent, handled) = (Both("conv.full")[0], Both("conv.full")[1]);
        Assert.NotEqual(sent.TraceId, handled.TraceId);
        Assert.Equal(default, handled.ParentSpanId);
        Assert.Equal(sent.SpanId, Assert.Single(handled.Links).Context.SpanId);
        var settled = Assert.Single(told.Spans, static one => one.OperationName == "ack conv.full");
        Assert.Equal((ActivityKind.Client, "settle", sent.SpanId), (settled.Kind, settled.GetTagItem("messaging.operation.type"), Assert.Single(settled.Links).Context.SpanId));

        List<Activity> Both(string queue) =>
            [Assert.Single(told.Spans, one => one.OperationName == $"send {queue}"), Assert.Single(told.Spans, one => one.OperationName == $"process {queue}")];
    }

    [Fact]
    public async Task A_consumer_that_is_started_again_is_counted()
    {
        using var told = new TelemetryRecorder();
        var broker = new InMemoryBroker();
        await using var host = await TestHost.StartAsync(messaging => messaging.UseInMemory(broker).AddConsumer<Ping>("conv.gone", static (_, _, _) => new(Outcome.Ack)));

        broker.DeleteQueue("conv.gone");
        await Eventually.IsAsync(() => told.Measured.Any(static one => one.Name == "postrider.consumer.restarts"
            && one.Tags.Contains("conv.gone", StringComparison.Ordinal) && one.Tags.Contains("error.type=Postrider.", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_template_that_is_no_pattern_is_refused()
    {
        var host = TestHost.Create(static messaging => messaging.Configure(static o => o with { Telemetry = new() { TopicTemplates = ["a..b"] } }));

        Assert.Throws<MessagingConfigurationException>(() => host.Services.GetRequiredService<MessagingStatus>());
    }

    private static Task<TestHost> StartAsync(
        string queue, Func<Ping, ConsumeContext, CancellationToken, ValueTask<Outcome>> consume, TelemetryOptions? telemetry = null, string? topic = null) =>
        TestHost.StartAsync(messaging => messaging
            .UseTransport("named", static services => new Named(new(services.GetRequiredService<InMemoryBroker>())))
            .Configure(options => options with { Telemetry = telemetry ?? new() })
            .AddConsumer(queue, consume, options => options with { Topics = topic is null ? [] : [topic], Retry = RetryPolicy.None }));

    /// <summary>A transport whose broker has names of its own.</summary>
    private sealed class Named(InMemoryTransport inner) : ITransport, ITelemetryNames
    {
        public TransportCapabilities Capabilities => inner.Capabilities;

        public DnsEndPoint Server { get; } = new("broker.test", 5);

        public TelemetryDestination Describe(Destination destination) =>
            new((destination.Kind == DestinationKind.Topic ? "x:" : "") + destination.Name, destination.Name);

        public TelemetryDestination Describe(Delivery delivery) => delivery.Envelope.Topic is { } topic ? new($"x:{topic}:{delivery.Queue}", topic, 9) : new(delivery.Queue);

        public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => inner.DeclareAsync(topology, cancellationToken);

        public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
            inner.PublishAsync(batch, results, cancellationToken);

        public ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) => inner.OpenReceiverAsync(options, cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
