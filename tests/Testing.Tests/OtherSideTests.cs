using Postrider.Core.InMemory;
using Postrider.Core.Transport;
using Postrider.Testing.Conformance;

namespace Postrider.Testing.Tests;

/// <summary>The other side of capabilities that both of our transports have: what the suite asks of a transport that says it cannot.</summary>
public sealed class OtherSideTests
{
    [Fact]
    public Task Without_durability_a_killed_broker_has_forgotten_queue_and_messages() =>
        new InMemoryOutages(new ForgetfulFixture(forgets: true)).What_is_stored_survives_a_kill();

    [Fact]
    public Task Whoever_denies_durability_and_keeps_the_queue_is_found_out() =>
        Assert.ThrowsAnyAsync<Exception>(new InMemoryOutages(new ForgetfulFixture(forgets: false)).What_is_stored_survives_a_kill);

    [Fact]
    public async Task Where_releases_may_be_counted_they_may()
    {
        var counting = new CountingFixture();
        await new InMemoryRedelivery(counting).A_release_keeps_the_redeliveries_counted_before();
        await new InMemoryStopping(counting).Stopping_hands_back_what_was_not_handed_out();
    }

    [Fact]
    public Task Whoever_counts_the_releases_of_a_suspect_is_found_out() =>
        Assert.ThrowsAnyAsync<Exception>(new InMemorySettling(new CountingFixture()).A_released_message_comes_back_at_once_as_the_same_attempt);

    private sealed class CountingFixture : InMemoryFixture
    {
        public override async ValueTask<ITransport> ConnectAsync(CancellationToken cancellationToken) =>
            new Humble(new FaultyTransport(await base.ConnectAsync(cancellationToken), Fault.CountsReleases));
    }

    /// <summary>Says that it cannot hand back uncounted.</summary>
    private sealed class Humble(ITransport inner) : ITransport
    {
        public TransportCapabilities Capabilities { get; } = inner.Capabilities with { UncountedRelease = Capability.Unsupported("for the test") };

        public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => inner.DeclareAsync(topology, cancellationToken);

        public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
            inner.PublishAsync(batch, results, cancellationToken);

        public ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) =>
            inner.OpenReceiverAsync(options, cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    private sealed class ForgetfulFixture(bool forgets) : InMemoryFixture
    {
        public override ValueTask<IBrokerUnderTest> StartPrivateBrokerAsync(CancellationToken cancellationToken) => new(new Broker(forgets));
    }

    /// <summary>What a process has in its memory ends with it.</summary>
    private sealed class Broker(bool forgets) : IBrokerUnderTest
    {
        private InMemoryBroker _broker = new();

        public ValueTask<ITransport> ConnectAsync(CancellationToken cancellationToken) => new(new InMemoryTransport(_broker));

        public ValueTask KillAsync(CancellationToken cancellationToken)
        {
            _broker = forgets ? new() : _broker;
            return default;
        }

        public ValueTask StartAsync(CancellationToken cancellationToken) => default;

        public ValueTask DisposeAsync() => default;
    }
}
