using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Brokers;

namespace Postrider.Transports.RabbitMq.Tests;

public sealed class RabbitMqRegistrationTests() : RegistrationTests<RabbitMqTransport>("rabbitmq", "RabbitMq", "amqp://app@nowhere", "Exchange", "Exchnage")
{
    protected override MessagingBuilder Add(MessagingBuilder builder) => builder.AddRabbitMq();

    protected override MessagingBuilder Use(MessagingBuilder builder) => builder.UseRabbitMq();

    [Fact]
    public async Task Keys_and_headers_of_a_mapping_come_from_the_configuration()
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Messaging:RabbitMq:ConnectionString"] = "amqp://app@nowhere",
            ["Messaging:RabbitMq:Topics:orders.placed:Exchange"] = "legacy",
            ["Messaging:RabbitMq:Topics:orders.placed:RoutingKey"] = "created",
            ["Messaging:RabbitMq:Topics:orders.placed:Headers:kind"] = "order",
        }).Build();
        var services = new ServiceCollection();
        services.AddMessaging(configuration).UseRabbitMq(static o => o.MapTopic("code", "legacy.code"));
        await using var provider = services.BuildServiceProvider();

        var description = provider.GetRequiredService<MessagingDescription>().ToString();

        Assert.Contains("  topic orders.placed is mapped to the exchange 'legacy', routing key 'created', headers kind=order", description, StringComparison.Ordinal);
        Assert.Contains("  topic code is mapped to the exchange 'legacy.code', routing key 'code'", description, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("MaxMessageBytes", "many")]
    [InlineData("MaxMessageBytes", "0")]
    [InlineData("CommandTimeout", "soon")]
    public Task An_option_that_makes_no_sense_is_named(string option, string value) => IsNamedAsync(option, value);
}
