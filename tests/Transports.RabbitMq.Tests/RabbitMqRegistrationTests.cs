using Postrider.Brokers;

namespace Postrider.Transports.RabbitMq.Tests;

public sealed class RabbitMqRegistrationTests() : RegistrationTests<RabbitMqTransport>("rabbitmq", "RabbitMq", "amqp://app@nowhere", "Exchange", "Exchnage")
{
    protected override MessagingBuilder Add(MessagingBuilder builder) => builder.AddRabbitMq();

    protected override MessagingBuilder Use(MessagingBuilder builder) => builder.UseRabbitMq();

    [Theory]
    [InlineData("MaxMessageBytes", "many")]
    [InlineData("MaxMessageBytes", "0")]
    [InlineData("CommandTimeout", "soon")]
    public Task An_option_that_makes_no_sense_is_named(string option, string value) => IsNamedAsync(option, value);
}
