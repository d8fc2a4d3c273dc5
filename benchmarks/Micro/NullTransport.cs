using Postrider.Core.Transport;

namespace Postrider.Micro;

/// <summary>Has stored each message at once.</summary>
internal sealed class NullTransport : ITransport
{
    public TransportCapabilities Capabilities { get; } = new()
    {
        System = "null",
        Durability = Capability.Native,
        DelayedPublish = Capability.Native,
        LeaseRenewal = Capability.Native,
        Fencing = Capability.Native,
        UncountedRelease = Capability.Native,
        ConfirmedSettlement = Capability.Native,
        Priorities = Capability.Unsupported("it has no queues"),
        DuplicateDetection = Capability.Native,
        Transactions = Capability.Unsupported("it has no database"),
        RequestReply = Capability.Unsupported("it has no queues"),
        Browsing = Capability.Unsupported("it has no queues"),
    };

    public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        results.Span.Fill(new(PublishStatus.Stored));
        return ValueTask.CompletedTask;
    }

    public ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
