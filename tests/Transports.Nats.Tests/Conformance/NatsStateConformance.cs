using Postrider.Brokers;
using Postrider.Core.State;
using Postrider.Testing.Conformance;

[assembly: AssemblyFixture(typeof(Postrider.Transports.Nats.Tests.Conformance.NatsStateFixture))]

namespace Postrider.Transports.Nats.Tests.Conformance;

public sealed class NatsState(NatsStateFixture fixture) : StateStoreScenarios(fixture);

public sealed class NatsStateOutages(NatsStateFixture fixture) : StateOutageScenarios(fixture);

/// <summary>The conformance suite of state stores on NATS. A process has no clock of its own here that could matter.</summary>
public class NatsStateFixture : StateStoreFixture
{
    public override string? WhyNoServer => Server.IsThere ? null : "set POSTRIDER_TEST_NATS or run ./test.sh";

    public override bool CanKillServer => PrivateBroker.IsAvailable;

    public override ValueTask<IStateStore> ConnectAsync(TimeProvider? clock, CancellationToken cancellationToken) => new(Connect(Server.ConnectionString));

    public override async ValueTask<IStateServerUnderTest> StartPrivateServerAsync(CancellationToken cancellationToken) =>
        new PrivateServer(await PrivateBroker.StartNewAsync("nats", NatsFixture.Connect, cancellationToken: cancellationToken));

    internal static IStateStore Connect(string connectionString) => ((IStateStoreSource)NatsFixture.Connect(connectionString)).CreateStateStore()!;

    private sealed class PrivateServer(PrivateBroker broker) : IStateServerUnderTest
    {
        public ValueTask<IStateStore> ConnectAsync(CancellationToken cancellationToken) => new(Connect(broker.ConnectionString));

        public ValueTask KillAsync(CancellationToken cancellationToken) => broker.KillAsync(cancellationToken);

        public ValueTask StartAsync(CancellationToken cancellationToken) => broker.StartAsync(cancellationToken);

        public ValueTask DisposeAsync() => broker.DisposeAsync();
    }
}
