using Postrider.Brokers;

namespace Postrider.Transports.Pgmq.Tests;

public sealed class PgmqRegistrationTests() : RegistrationTests<PgmqTransport>("pgmq", "Pgmq", "Host=nowhere;Username=app", "Queue", "Queu")
{
    protected override MessagingBuilder Add(MessagingBuilder builder) => builder.AddPgmq();

    protected override MessagingBuilder Use(MessagingBuilder builder) => builder.UsePgmq();

    [Theory]
    [InlineData("ReceiveConnections", "many")]
    [InlineData("ReceiveConnections", "0")]
    [InlineData("CommandTimeout", "soon")]
    [InlineData("DuplicateWindow", "00:00:00.01")]
    [InlineData("DuplicateWindow", "8.00:00:00")]
    public Task An_option_that_makes_no_sense_is_named(string option, string value) => IsNamedAsync(option, value);
}
