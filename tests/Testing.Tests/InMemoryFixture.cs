using Postrider.Core.InMemory;
using Postrider.Core.Transport;
using Postrider.Testing.Conformance;

[assembly: AssemblyFixture(typeof(Postrider.Testing.Tests.InMemoryFixture))]

namespace Postrider.Testing.Tests;

/// <summary>The reference transport: what a scenario asks, it must do.</summary>
public class InMemoryFixture : TransportFixture
{
    private readonly InMemoryBroker _broker = new();

    public override TimeSpan Lease => TimeSpan.FromMilliseconds(500);

    public override TimeSpan Quiet => TimeSpan.FromMilliseconds(120);

    public override TimeSpan Delay => TimeSpan.FromMilliseconds(250);

    public override bool CanBreakDeadLetterQueue => true;

    public override bool CanKillBroker => true;

    public override ValueTask<ITransport> ConnectAsync(CancellationToken cancellationToken) => new(new InMemoryTransport(_broker));

    public override ValueTask<IBrokerUnderTest> StartPrivateBrokerAsync(CancellationToken cancellationToken) => new(new Broker());

    public override ValueTask BreakDeadLetterQueueAsync(string queue, CancellationToken cancellationToken)
    {
        Assert.True(_broker.DeleteQueue(Names.DeadLetterQueue(queue)));
        return default;
    }

    public override async ValueTask RestoreDeadLetterQueueAsync(string queue, CancellationToken cancellationToken)
    {
        await using var transport = new InMemoryTransport(_broker);
        await transport.DeclareAsync(new([queue], []), cancellationToken);
    }

    /// <summary>A durable broker as far as a client can tell: an outage that loses nothing.</summary>
    private sealed class Broker : IBrokerUnderTest
    {
        private readonly InMemoryBroker _broker = new();
        private readonly Outage _outage = new();

        public ValueTask<ITransport> ConnectAsync(CancellationToken cancellationToken) => new(_outage.Wrap(new InMemoryTransport(_broker)));

        public ValueTask KillAsync(CancellationToken cancellationToken)
        {
            _outage.Begin();
            return default;
        }

        public async ValueTask StartAsync(CancellationToken cancellationToken)
        {
            // Away long enough for publishers and consumers to notice.
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, cancellationToken);
            _outage.End();
        }

        public ValueTask DisposeAsync() => default;
    }
}
