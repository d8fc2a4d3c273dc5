using System.Text;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using RabbitMQ.Client;
using Shop.Contracts;
using Envelope = Postrider.Core.Transport.Envelope;

namespace Postrider.Interop.Tests;

/// <summary>MassTransit's envelopes: an example by its documentation, and MassTransit itself.</summary>
public sealed class MassTransitTests
{
    private const string Example =
        """
        {
          "messageId": "181c0000-6393-3630-36a4-08daf4e7c6da",
          "requestId": null,
          "correlationId": null,
          "conversationId": "181c0000-6393-3630-0000-08daf4e7c6dc",
          "initiatorId": null,
          "sourceAddress": "rabbitmq://localhost/shop_web",
          "destinationAddress": "rabbitmq://localhost/Shop.Contracts:OrderPlaced",
          "responseAddress": null,
          "messageType": [ "urn:message:Shop.Contracts:OrderPlaced", "urn:message:Shop.Contracts:IOrderEvent" ],
          "message": { "number": 7, "item": "Tee" },
          "expirationTime": "2999-01-01T00:00:00Z",
          "sentTime": "2026-01-02T03:04:05.678Z",
          "headers": { "tenant": "x", "MT-Activity-Id": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "count": 5, "gone": null },
          "host": { "machineName": "web1", "processName": "shop", "massTransitVersion": "8.5.12" }
        }
        """;

    private static readonly Dictionary<string, string> Types = new() { ["urn:message:Shop.Contracts:OrderPlaced"] = "orders.placed" };

    [Fact]
    public async Task The_message_is_the_body_and_the_rest_is_metadata()
    {
        var seen = await Received.AsSeenAsync(static m => m.ReadMassTransit(Types), Message(Example));

        Assert.Equal("""{ "number": 7, "item": "Tee" }""", seen.Text());
        Assert.Equal(("181c0000-6393-3630-36a4-08daf4e7c6da", "orders.placed", "application/json"), (seen.Id, seen.Type, seen.ContentType));
        Assert.Equal(("rabbitmq://localhost/shop_web", "181c0000-6393-3630-0000-08daf4e7c6dc"), (seen.Source, seen.CorrelationId));
        Assert.Equal(new DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, default), seen.SentAt);
        Assert.Equal(new DateTimeOffset(2999, 1, 1, 0, 0, 0, default), seen.ExpiresAt);
        Assert.Equal("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", seen.TraceParent);
        Assert.Equal(("x", "5", "amqp", false), (seen.Headers["tenant"], seen.Headers["count"], seen.Headers["from"], seen.Headers.ContainsKey("gone")));
    }

    [Fact]
    public async Task A_type_may_be_mapped_by_what_it_derives_from() =>
        Assert.Equal(
            "order-events",
            (await Received.AsSeenAsync(static m => m.ReadMassTransit(new Dictionary<string, string> { ["urn:message:Shop.Contracts:IOrderEvent"] = "order-events" }), Message(Example))).Type);

    [Fact]
    public async Task A_type_that_is_not_mapped_is_named_by_its_dead_letter()
    {
        var dead = await Received.AsDeadAsync(static m => m.ReadMassTransit(new Dictionary<string, string>()), Message(Example));
        Assert.Equal((DeadLetterReason.UnknownType, Example), (dead.Info.Reason, dead.Envelope.Text()));
        Assert.Contains("'urn:message:Shop.Contracts:OrderPlaced'", dead.Info.Description, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]", "not a JSON object")]
    [InlineData("""{ "message": 7 }""", "no 'message'")]
    [InlineData("""{ "messageType": [] }""", "no 'message'")]
    [InlineData("""{ "message": {}, "sentTime": "noon" }""", "'sentTime' is no time")]
    public async Task What_is_no_envelope_is_malformed(string body, string why)
    {
        var dead = await Received.AsDeadAsync(static m => m.ReadMassTransit(Types), Message(body));
        Assert.Equal(DeadLetterReason.Malformed, dead.Info.Reason);
        Assert.Contains(why, dead.Info.Description, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_the_reader_it_is_a_content_type_that_nobody_knows()
    {
        var dead = await Received.AsDeadAsync(static _ => { }, Message(Example) with { Type = "orders.placed" });
        Assert.Contains("content type 'application/vnd.masstransit+json'", dead.Info.Description, StringComparison.Ordinal);
    }

    [Fact]
    public async Task MassTransit_itself_publishes_to_our_consumer()
    {
        var url = Environment.GetEnvironmentVariable("POSTRIDER_TEST_RABBITMQ");
        Assert.SkipWhen(string.IsNullOrEmpty(url), "no broker: set POSTRIDER_TEST_RABBITMQ or run ./test.sh");
        var queue = "masstransit-" + Guid.NewGuid().ToString("N")[..10];
        var handled = new TaskCompletionSource<(Order, Envelope)>(TaskCreationOptions.RunContinuationsAsynchronously);
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddMessaging().UseRabbitMq(url!).ReadMassTransit(Types).AddConsumer<Order>(queue, (order, context, _) =>
        {
            handled.TrySetResult((order, context.Envelope with { Body = default }));
            return new(Outcome.Ack);
        });
        using var host = builder.Build();
        await host.StartAsync(Received.Deadline);
        await host.Services.GetRequiredService<MessagingStatus>().Ready.WaitAsync(Received.Deadline);
        await BindAsync(url!, "Shop.Contracts:OrderPlaced", queue);
        var bus = Bus.Factory.CreateUsingRabbitMq(to => to.Host(new Uri(url!)));
        await bus.StartAsync(Received.Deadline);
        var (id, correlation) = (NewId.NextGuid(), NewId.NextGuid());

        await bus.Publish(
            new OrderPlaced(7, "Tee"),
            context => (context.MessageId, context.CorrelationId, context.TimeToLive) = (id, correlation, TimeSpan.FromHours(1)),
            Received.Deadline);

        var (order, seen) = await handled.Task.WaitAsync(Received.Deadline);
        await bus.StopAsync(Received.Deadline);
        await host.StopAsync(Received.Deadline);
        Assert.Equal(new Order(7, "Tee"), order);
        Assert.Equal((id.ToString(), "orders.placed", correlation.ToString()), (seen.Id, seen.Type, seen.CorrelationId));
        Assert.InRange(seen.ExpiresAt!.Value, seen.SentAt!.Value + TimeSpan.FromMinutes(59), seen.SentAt.Value + TimeSpan.FromMinutes(61));
    }

    private static Envelope Message(string body) => new()
    {
        Id = "carrier",
        ContentType = "application/vnd.masstransit+json",
        Headers = new Dictionary<string, string> { ["from"] = "amqp", ["tenant"] = "overridden" },
        Body = Encoding.UTF8.GetBytes(body),
    };

    /// <summary>What somebody who moves a consumer does: its new queue is bound to the exchange that MassTransit has for the type.</summary>
    private static async Task BindAsync(string url, string exchange, string queue)
    {
        await using var connection = await new ConnectionFactory { Uri = new(url) }.CreateConnectionAsync(Received.Deadline);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Received.Deadline);
        await channel.ExchangeDeclareAsync(exchange, ExchangeType.Fanout, durable: true, cancellationToken: Received.Deadline);
        await channel.QueueBindAsync(queue, exchange, "", cancellationToken: Received.Deadline);
    }
}
