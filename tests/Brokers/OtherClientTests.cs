using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Postrider.Core.Transport;

namespace Postrider.Brokers;

/// <summary>
/// Other programs send plain JSON and CloudEvents to our consumers and read what we publish. A transport's tests derive from it with a real client of its broker,
/// and translate the names of headers: here attributes of CloudEvents are <c>ce-…</c>, and the media type is <c>content-type</c>.
/// </summary>
public abstract class OtherClientTests
{
    private const string Event = """{"specversion":"1.0","id":"e-1","type":"shop.order","source":"/till","subject":"s","tenantid":"t","data":{"number":7,"item":"Tee"}}""";

    protected static CancellationToken Deadline => new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;

    /// <summary>Skips without the broker or the client.</summary>
    protected abstract Task RequireAsync();

    /// <summary>Chooses the transport.</summary>
    protected abstract MessagingBuilder Use(MessagingBuilder builder);

    protected abstract Task SendAsync(string queue, string body, params (string Name, string Value)[] headers);

    protected abstract Task PublishAsync(string topic, string body, params (string Name, string Value)[] headers);

    /// <summary>Takes the next message out of a queue.</summary>
    protected abstract Task<(string Body, IReadOnlyDictionary<string, string> Headers)> TakeAsync(string queue);

    [Fact]
    public async Task Plain_JSON_without_any_header_reaches_the_only_consumer_of_a_queue()
    {
        await RequireAsync();
        var queue = NewName("q");
        var (host, handled) = await ConsumeAsync(queue);
        await using (host)
        {
            await SendAsync(queue, """{"number": 7, "item": "Tee"}""");

            var (order, envelope) = await handled;
            Assert.Equal((new Order(7, "Tee"), null, 1), (order, envelope.Type, envelope.Attempt));
            Assert.NotEmpty(envelope.Id);
        }
    }

    [Fact]
    public async Task What_is_published_to_a_topic_reaches_the_queues_bound_to_it_with_its_headers()
    {
        await RequireAsync();
        var (queue, topic) = (NewName("q"), NewName("t") + ".placed");
        var (host, handled) = await ConsumeAsync(queue, $"{topic}.*");
        await using (host)
        {
            await PublishAsync(
                $"{topic}.placed",
                """{"number":7,"item":"Straße"}""",
                ("content-type", "application/json"), ("ce-specversion", "1.0"), ("ce-id", "till-7"), ("ce-type", "shop.order"), ("ce-source", "/till"),
                ("ce-time", "2026-01-02T03:04:05.678Z"), ("ce-subject", "s"), ("ce-partitionkey", "k"), ("ce-correlationid", "flow"), ("ce-tenantid", "t"),
                ("ce-traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), ("region", "eu"));

            var (order, envelope) = await handled;
            Assert.Equal((new Order(7, "Straße"), $"{topic}.placed"), (order, envelope.Topic));
            Assert.Equal(("till-7", "shop.order", "/till", "s", "k", "flow"), (envelope.Id, envelope.Type, envelope.Source, envelope.Subject, envelope.Key, envelope.CorrelationId));
            Assert.Equal(new DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, default), envelope.SentAt);
            Assert.Equal("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", envelope.TraceParent);
            Assert.Equal([("ce-tenantid", "t"), ("region", "eu")], envelope.Headers.Select(static one => (one.Key, one.Value)).Order());
        }
    }

    [Fact]
    public async Task A_structured_CloudEvent_is_read()
    {
        await RequireAsync();
        var queue = NewName("q");
        var (host, handled) = await ConsumeAsync(queue);
        await using (host)
        {
            await SendAsync(queue, Event, ("content-type", "application/cloudevents+json; charset=UTF-8"));

            var (order, envelope) = await handled;
            Assert.Equal(new Order(7, "Tee"), order);
            Assert.Equal(("e-1", "shop.order", "/till", "s", "application/json"), (envelope.Id, envelope.Type, envelope.Source, envelope.Subject, envelope.ContentType));
            Assert.Equal("t", envelope.Headers["ce-tenantid"]);
        }
    }

    [Fact]
    public async Task A_structured_CloudEvent_that_is_retried_is_read_again_and_its_dead_letter_is_the_event_itself()
    {
        await RequireAsync();
        var queue = NewName("q");
        var attempts = new List<(int, string)>();
        await using var host = await StartAsync(m => m.AddConsumer<Order>(
            queue,
            (_, context, _) =>
            {
                attempts.Add((context.Attempt, context.MessageId));
                throw new InvalidOperationException("no");
            },
            static options => options with { Retry = RetryPolicy.Immediate with { MaxAttempts = 2 } }));

        await SendAsync(queue, Event, ("content-type", "application/cloudevents+json"));

        await DeadAsync(host, queue);
        Assert.Equal([(1, "e-1"), (2, "e-1")], attempts);
        var (body, headers) = await TakeAsync(queue + ".dlq");
        Assert.True(JsonElement.DeepEquals(JsonElement.Parse(Event), JsonElement.Parse(body)), body);
        Assert.Equal(("exhausted", "application/cloudevents+json"), (headers["x-postrider-reason"], headers["content-type"]));
    }

    [Fact]
    public async Task What_cannot_be_read_is_a_dead_letter_that_others_can_look_at()
    {
        await RequireAsync();
        var queue = NewName("q");
        await using var host = await StartAsync(m => m.AddConsumer<Order>(queue, static (_, _, _) => new(Outcome.Ack)));

        await SendAsync(queue, """{"number": "seven"}""", ("content-type", "application/json"), ("region", "eu"));

        await DeadAsync(host, queue);
        var (body, headers) = await TakeAsync(queue + ".dlq");
        Assert.Equal(("""{"number": "seven"}""", "malformed", "1", queue, "eu"), (body, headers["x-postrider-reason"], headers["x-postrider-attempts"], headers["x-postrider-queue"], headers["region"]));
    }

    [Fact]
    public async Task What_we_publish_is_a_CloudEvent_in_binary_mode_whose_body_is_the_payload()
    {
        await RequireAsync();
        var (queue, topic) = (NewName("q"), NewName("t") + ".placed");
        await using var host = await StartAsync(static m => m);
        await host.Services.GetRequiredService<ITransport>().DeclareAsync(new([queue], [new(topic, queue)]), Deadline);

        var receipt = await host.Services.GetRequiredService<IMessageBus>().PublishAsync(
            new Order(7, "Straße"),
            new()
            {
                Topic = topic,
                Key = "k",
                Subject = "s",
                CorrelationId = "flow",
                RequireSubscribers = true,
                Headers = new Dictionary<string, string> { ["ce-tenantid"] = "ä", ["region"] = "eu" },
            },
            Deadline);

        var (body, headers) = await TakeAsync(queue);
        Assert.Equal(new Order(7, "Straße"), JsonSerializer.Deserialize<Order>(body, JsonSerializerOptions.Web));
        Assert.Equal(("1.0", receipt.MessageId, "shop.order", "shop"), (headers["ce-specversion"], headers["ce-id"], headers["ce-type"], headers["ce-source"]));
        Assert.Equal(("application/json", "k", "s", "flow"), (headers["content-type"], headers["ce-partitionkey"], headers["ce-subject"], headers["ce-correlationid"]));
        Assert.Equal(("ä", "eu"), (headers["ce-tenantid"], headers["region"]));
        Assert.True(DateTimeOffset.TryParse(headers["ce-time"], out _), headers["ce-time"]);
    }

    protected static string NewName(string prefix) => prefix + "-" + Guid.NewGuid().ToString("N")[..10];

    private static async Task DeadAsync(Stopping host, string queue)
    {
        var letters = host.Services.GetRequiredService<IDeadLetters>();
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        for (var deadline = Deadline; await letters.CountAsync(queue, deadline) == 0;)
        {
            await look.WaitForNextTickAsync(deadline);
        }
    }

    private async Task<(Stopping Host, Task<(Order, Envelope)> Handled)> ConsumeAsync(string queue, params string[] topics)
    {
        var handled = new TaskCompletionSource<(Order, Envelope)>(TaskCreationOptions.RunContinuationsAsynchronously);
        var host = await StartAsync(m => m.AddConsumer<Order>(
            queue,
            (order, context, _) =>
            {
                handled.TrySetResult((order, context.Envelope with { Body = default }));
                return new(Outcome.Ack);
            },
            options => options with { Topics = [.. topics] }));
        return (host, handled.Task.WaitAsync(Deadline));
    }

    private async Task<Stopping> StartAsync(Func<MessagingBuilder, MessagingBuilder> register)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new() { ApplicationName = "shop" });
        register(Use(builder.Services.AddMessaging()));
        var host = builder.Build();
        await host.StartAsync(Deadline);
        await host.Services.GetRequiredService<MessagingStatus>().Ready.WaitAsync(Deadline);
        return new(host);
    }

    [Message("shop.order")]
    private sealed record Order(int Number, string Item);

    private sealed class Stopping(IHost host) : IAsyncDisposable
    {
        public IServiceProvider Services => host.Services;

        public async ValueTask DisposeAsync()
        {
            await host.StopAsync(Deadline);
            host.Dispose();
        }
    }
}
