using System.Collections.Concurrent;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Support;

/// <summary>A transport that answers publishes as told, to see what the Core makes of each answer. Nothing can be received from it.</summary>
internal sealed class ScriptedTransport(params PublishResult[] script) : ITransport
{
    private readonly ConcurrentQueue<PublishResult> _script = new(script);

    public ConcurrentQueue<OutgoingMessage> Published { get; } = new();

    /// <summary>The very envelope that it was given last, not a copy.</summary>
    public Envelope? Last { get; private set; }

    /// <summary>Whatever the script says.</summary>
    public bool AlwaysStores { get; set; }

    public TransportCapabilities Capabilities { get; init; } = new()
    {
        System = "scripted",
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

    public Func<ValueTask> OnDeclare { get; set; } = static () => ValueTask.CompletedTask;

    public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => OnDeclare();

    public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        for (var i = 0; i < batch.Length; i++)
        {
            // Bodies are reused after the call, as the seam says.
            var message = batch.Span[i];
            Last = message.Envelope;
            Published.Enqueue(message with { Envelope = message.Envelope with { Body = message.Envelope.Body.ToArray() } });
            results.Span[i] = !AlwaysStores && _script.TryDequeue(out var next) ? next : new(PublishStatus.Stored);
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) =>
        throw new TransportException("Nothing to receive here.", TransportError.QueueNotFound);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
