using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Support;

/// <summary>A transport whose broker keeps no state, and counts nothing.</summary>
internal sealed class StatelessTransport(ITransport inner) : ITransport
{
    public TransportCapabilities Capabilities => inner.Capabilities;

    public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => inner.DeclareAsync(topology, cancellationToken);

    public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
        inner.PublishAsync(batch, results, cancellationToken);

    public ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) =>
        inner.OpenReceiverAsync(options, cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
