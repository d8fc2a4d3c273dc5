using Postrider.Core.InMemory;
using Postrider.Core.State;
using Postrider.Testing.Conformance;

[assembly: AssemblyFixture(typeof(Postrider.Testing.Tests.InMemoryStateFixture))]

namespace Postrider.Testing.Tests;

public sealed class InMemoryState(InMemoryStateFixture fixture) : StateStoreScenarios(fixture);

public sealed class InMemoryStateOutages(InMemoryStateFixture fixture) : StateOutageScenarios(fixture);

/// <summary>The reference store.</summary>
public class InMemoryStateFixture : StateStoreFixture
{
    private readonly InMemoryBroker _broker = new();

    public override TimeSpan ShortLife => TimeSpan.FromMilliseconds(400);

    public override bool CanKillServer => true;

    public override ValueTask<IStateStore> ConnectAsync(TimeProvider? clock, CancellationToken cancellationToken) => new(new InMemoryStateStore(_broker));

    public override ValueTask<IStateServerUnderTest> StartPrivateServerAsync(CancellationToken cancellationToken) => new(new Server());

    private sealed class Server : IStateServerUnderTest
    {
        private readonly InMemoryBroker _broker = new();
        private readonly Outage _outage = new();

        public ValueTask<IStateStore> ConnectAsync(CancellationToken cancellationToken) => new(_outage.Wrap(new InMemoryStateStore(_broker)));

        public ValueTask KillAsync(CancellationToken cancellationToken)
        {
            _outage.Begin();
            return default;
        }

        public ValueTask StartAsync(CancellationToken cancellationToken)
        {
            _outage.End();
            return default;
        }

        public ValueTask DisposeAsync() => default;
    }
}
