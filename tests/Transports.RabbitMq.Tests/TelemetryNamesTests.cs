using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>The names of destinations by OpenTelemetry's conventions for RabbitMQ: exchange, routing key and queue, without what is empty or said twice.</summary>
public sealed class TelemetryNamesTests
{
    [Fact]
    public async Task Destinations_and_server_are_named_as_the_conventions_ask()
    {
        await using var transport = new RabbitMqTransport(
            new RabbitMqOptions { ConnectionString = "amqps://user:secret@rabbit.test/shop" }.MapTopic("mapped", "theirs", "key").MapTopic("fanned", "fan", "").MapTopic("plain", "", "queue"));
        var names = (ITelemetryNames)transport;

        Assert.Equal(("rabbit.test", 5671), (names.Server?.Host, names.Server?.Port));
        Assert.Equal(new("postrider.topics:orders.placed", "orders.placed"), names.Describe(Destination.Topic("orders.placed")));
        Assert.Equal(new("billing", "billing"), names.Describe(Destination.Queue("billing")));
        Assert.Equal(new("theirs:key", "key"), names.Describe(Destination.Topic("mapped")));
        Assert.Equal(new("fan"), names.Describe(Destination.Topic("fanned")));
        Assert.Equal(new("queue", "queue"), names.Describe(Destination.Topic("plain")));
        Assert.Equal(new("postrider.topics:orders.placed:billing", "orders.placed", 7), names.Describe(Delivery("billing", "orders.placed")));
        Assert.Equal(new("postrider.topics:orders", "orders", 7), names.Describe(Delivery("orders", "orders")));
        Assert.Equal(new("billing", "billing", 7), names.Describe(Delivery("billing", null)));
    }

    private static RabbitMqDelivery Delivery(string queue, string? topic) => new(null!, queue, 0, new() { Id = "1", Topic = topic }, 7, 0, []);
}
