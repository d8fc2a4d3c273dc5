using Postrider.Core.State;
using Postrider.Core.Transport;
using Postrider.Testing.Harness;
using Kind = Postrider.Testing.LedgerEventKind;

namespace Postrider.Testing;

/// <summary>Records every publish, confirmation, hand-out and settlement of a transport in a ledger. Changes nothing.</summary>
/// <remarks>It owns the inner transport: disposal goes through.</remarks>
public sealed class LedgerTransport(ITransport inner, Ledger ledger) : ITransport, IReplyQueues, IStateStoreSource
{
    /// <inheritdoc/>
    public TransportCapabilities Capabilities => inner.Capabilities;

    /// <inheritdoc/>
    public IStateStore? CreateStateStore() => (inner as IStateStoreSource)?.CreateStateStore();

    /// <inheritdoc/>
    public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => inner.DeclareAsync(topology, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask PublishAsync(
        ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        Begin(batch.Span, ledger);
        await inner.PublishAsync(batch, results, cancellationToken).ConfigureAwait(false);
        for (var i = 0; i < batch.Length; i++)
        {
            var kind = results.Span[i].Status switch
            {
                PublishStatus.Stored or PublishStatus.Duplicate => Kind.Confirmed,
                PublishStatus.Unknown => Kind.Unconfirmed,
                _ => Kind.Refused,
            };
            ledger.Record(new(kind, batch.Span[i].Envelope.Id) { Queue = SentTo(batch.Span[i].Destination) });
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken)
    {
        var receiver = await inner.OpenReceiverAsync(options, cancellationToken).ConfigureAwait(false);
        return receiver is ILeaseRenewal renewal
            ? new RenewableLedgerReceiver(receiver, renewal, ledger)
            : new LedgerReceiver(receiver, ledger);
    }

    /// <inheritdoc/>
    public ValueTask<IReplyReader> OpenReplyQueueAsync(string queue, CancellationToken cancellationToken) => ReplyQueues.OpenAsync(inner, queue, cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private static void Begin(ReadOnlySpan<OutgoingMessage> batch, Ledger ledger)
    {
        foreach (var message in batch)
        {
            ledger.Record(new(Kind.Publishing, message.Envelope.Id)
            {
                Queue = SentTo(message.Destination),
                Key = message.Envelope.Key,
                Delay = message.Delay,
            });
        }
    }

    private static string? SentTo(Destination destination) => destination.Kind == DestinationKind.Queue ? destination.Name : null;
}
