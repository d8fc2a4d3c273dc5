using Postrider.Brokers;

namespace Postrider.Transports.Nats.Tests;

public sealed class NatsRegistrationTests() : RegistrationTests<NatsTransport>("nats", "Nats", "nats://nowhere", "Subject", "Subjcet")
{
    protected override MessagingBuilder Add(MessagingBuilder builder) => builder.AddNats();

    protected override MessagingBuilder Use(MessagingBuilder builder) => builder.UseNats();

    [Theory]
    [InlineData("Replicas", "many")]
    [InlineData("Replicas", "0")]
    [InlineData("CommandTimeout", "soon")]
    [InlineData("Storage", "paper")]
    [InlineData("Prefix", "a.b")]
    [InlineData("Prefix", "a>")]
    [InlineData("DuplicateWindow", "00:00:00")]
    public Task An_option_that_makes_no_sense_is_named(string option, string value) => IsNamedAsync(option, value);
}
