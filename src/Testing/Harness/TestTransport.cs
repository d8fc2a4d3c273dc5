using Postrider.Core.State;
using Postrider.Core.Transport;

namespace Postrider.Testing.Harness;

/// <summary>
/// Tells the tracker and the ledger of every message on its way through a transport, and lets chaos strike before. It owns the inner transport.
/// </summary>
internal sealed class TestTransport(ITransport inner, Tracker tracker, Ledger ledger, RandomStrikes? chaos, Task handling) : ITransport, IDeadLetterAccess, IQueueList, IReplyQueues, IStateStoreSource
{
    private readonly LedgerTransport _recorded = new(inner, ledger);

    public TransportCapabilities Capabilities => inner.Capabilities;

    private IDeadLetterAccess Letters => inner as IDeadLetterAccess
        ?? throw new MessagingConfigurationException($"The transport '{inner.Capabilities.System}' cannot look into dead-letter queues.");

    public IStateStore? CreateStateStore() => (inner as IStateStoreSource)?.CreateStateStore();

    public ValueTask<IReadOnlyList<string>> ListQueuesAsync(string prefix, CancellationToken cancellationToken) => inner is IQueueList list
        ? list.ListQueuesAsync(prefix, cancellationToken)
        : throw new MessagingConfigurationException($"The transport '{inner.Capabilities.System}' cannot tell which queues there are.");

    public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken)
    {
        tracker.Declared(topology);
        return inner.DeclareAsync(topology, cancellationToken);
    }

    public async ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        var messages = chaos?.Publish(batch.Span) ?? batch.ToArray();
        var copies = Array.ConvertAll(messages, message => tracker.Publishing(message));
        var answers = new PublishResult[messages.Length];
        Array.Fill(answers, new(PublishStatus.Unknown)); // unless the transport says otherwise
        try
        {
            await _recorded.PublishAsync(messages, answers, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            for (var i = 0; i < answers.Length; i++)
            {
                tracker.Published(copies[i], answers[i].Status);
            }
        }

        // What chaos added is behind the batch.
        answers.AsSpan(0, batch.Length).CopyTo(results.Span);
    }

    public async ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken)
    {
        var receiver = await _recorded.OpenReceiverAsync(options, cancellationToken).ConfigureAwait(false);
        return receiver is ILeaseRenewal renewal
            ? new RenewableTestReceiver(receiver, renewal, tracker, chaos, handling)
            : new TestReceiver(receiver, tracker, chaos, handling);
    }

    public ValueTask<IReplyReader> OpenReplyQueueAsync(string queue, CancellationToken cancellationToken) => ReplyQueues.OpenAsync(inner, queue, cancellationToken);

    public ValueTask<long> CountAsync(string queue, CancellationToken cancellationToken) => Letters.CountAsync(queue, cancellationToken);

    public ValueTask<IReadOnlyList<StoredDeadLetter>> ListAsync(string queue, string? after, int max, CancellationToken cancellationToken) =>
        Letters.ListAsync(queue, after, max, cancellationToken);

    public ValueTask<StoredDeadLetter?> FindAsync(string queue, string position, CancellationToken cancellationToken) =>
        Letters.FindAsync(queue, position, cancellationToken);

    public ValueTask<bool> DeleteAsync(string queue, string position, CancellationToken cancellationToken) =>
        Letters.DeleteAsync(queue, position, cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
