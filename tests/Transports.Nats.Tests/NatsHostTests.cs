using Postrider.Brokers;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats.Tests;

public sealed class NatsHostTests(ITestOutputHelper output) : HostTests(output)
{
    protected override string Kind => "nats";

    protected override string? Server => Environment.GetEnvironmentVariable("POSTRIDER_TEST_NATS");

    protected override MessagingBuilder Use(MessagingBuilder builder, string connectionString) => builder.UseNats(connectionString);

    protected override Task DeleteQueueAsync(string queue) => Tests.Server.AskAsync($"STREAM.DELETE.postrider_q_{queue}");

    protected override ITransport Connect(string connectionString) => new NatsTransport(new() { ConnectionString = connectionString });
}
