using Postrider.Brokers;
using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq.Tests;

public sealed class RabbitMqHostTests(ITestOutputHelper output) : HostTests(output)
{
    protected override string Kind => "rabbitmq";

    protected override string? Server => Environment.GetEnvironmentVariable("POSTRIDER_TEST_RABBITMQ");

    protected override MessagingBuilder Use(MessagingBuilder builder, string connectionString) => builder.UseRabbitMq(connectionString);

    protected override Task DeleteQueueAsync(string queue) => Tests.Server.DeleteQueueAsync(queue);

    protected override ITransport Connect(string connectionString) => new RabbitMqTransport(new() { ConnectionString = connectionString });
}
