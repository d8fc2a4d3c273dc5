using Postrider.Brokers;
using Postrider.Core.Transport;
using Postrider.Testing.Conformance;
using RabbitMQ.Client;

[assembly: AssemblyFixture(typeof(Postrider.Transports.RabbitMq.Tests.Conformance.RabbitMqFixture))]

namespace Postrider.Transports.RabbitMq.Tests.Conformance;

/// <summary>The conformance suite on RabbitMQ: the server of ./test.sh for most, servers of its own for those that kill.</summary>
public class RabbitMqFixture : TransportFixture
{
    private static readonly string? ConnectionString = Environment.GetEnvironmentVariable("POSTRIDER_TEST_RABBITMQ");

    public override string? WhyNoBroker => string.IsNullOrEmpty(ConnectionString) ? "set POSTRIDER_TEST_RABBITMQ or run ./test.sh" : null;

    public override TimeSpan Lease => TimeSpan.FromSeconds(1);

    public override bool LeasesExpire => false;

    public override bool CanBreakDeadLetterQueue => true;

    public override bool CanKillBroker => PrivateBroker.IsAvailable;

    public override ValueTask<ITransport> ConnectAsync(CancellationToken cancellationToken) => new(Connect(ConnectionString!));

    public override async ValueTask<IBrokerUnderTest> StartPrivateBrokerAsync(CancellationToken cancellationToken) =>
        await PrivateBroker.StartNewAsync("rabbitmq", Connect, cancellationToken: cancellationToken);

    public override async ValueTask BreakDeadLetterQueueAsync(string queue, CancellationToken cancellationToken)
    {
        await using var connection = await new ConnectionFactory { Uri = new(ConnectionString!) }.CreateConnectionAsync(cancellationToken);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        await channel.QueueDeleteAsync(Names.DeadLetterQueue(queue), cancellationToken: cancellationToken);
    }

    public override async ValueTask RestoreDeadLetterQueueAsync(string queue, CancellationToken cancellationToken)
    {
        await using var transport = Connect(ConnectionString!);
        await transport.DeclareAsync(new([queue], []), cancellationToken);
    }

    private static RabbitMqTransport Connect(string connectionString) => new(new() { ConnectionString = connectionString });
}
