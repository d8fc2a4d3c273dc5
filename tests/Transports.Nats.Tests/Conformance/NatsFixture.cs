using Postrider.Brokers;
using Postrider.Core.Transport;
using Postrider.Testing.Conformance;

[assembly: AssemblyFixture(typeof(Postrider.Transports.Nats.Tests.Conformance.NatsFixture))]

namespace Postrider.Transports.Nats.Tests.Conformance;

/// <summary>The conformance suite on NATS: the server of ./test.sh for most, servers of its own for those that kill.</summary>
public class NatsFixture : TransportFixture
{
    public override string? WhyNoBroker => Server.IsThere ? null : "set POSTRIDER_TEST_NATS or run ./test.sh";

    // A single server writes what its consumers have handed out a moment later.
    public override bool CountsSurviveKills => false;

    public override bool CanBreakDeadLetterQueue => true;

    public override bool CanKillBroker => PrivateBroker.IsAvailable;

    public override ValueTask<ITransport> ConnectAsync(CancellationToken cancellationToken) => new(Connect(Server.ConnectionString));

    public override async ValueTask<IBrokerUnderTest> StartPrivateBrokerAsync(CancellationToken cancellationToken) =>
        await PrivateBroker.StartNewAsync("nats", Connect, cancellationToken: cancellationToken);

    public override async ValueTask BreakDeadLetterQueueAsync(string queue, CancellationToken cancellationToken) =>
        await Server.AskAsync($"STREAM.DELETE.postrider_q_{queue}=dlq");

    public override async ValueTask RestoreDeadLetterQueueAsync(string queue, CancellationToken cancellationToken)
    {
        await using var transport = Connect(Server.ConnectionString);
        await transport.DeclareAsync(new([queue], []), cancellationToken);
    }

    internal static NatsTransport Connect(string connectionString) => new(new() { ConnectionString = connectionString });
}
