using System.Globalization;
using Postrider.Core.State;
using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <summary>A connection to an <see cref="InMemoryBroker"/>: the transport for tests, samples and single-process applications.</summary>
/// <remarks>
/// <para>It behaves as a broker does, but keeps nothing beyond the process. Everything but receiving completes at once.</para>
/// <para>Disposing of it, or of a receiver, is like losing a connection: deliveries that were not settled can no longer be, and are
/// handed out again when their leases are over, counted as redeliveries.</para>
/// </remarks>
public sealed class InMemoryTransport : ITransport, IDeadLetterAccess, IQueueBrowser, IQueueFlush, IQueueDepth, IQueueList, IReplyQueues, IStateStoreSource
{
    private static readonly TransportCapabilities Abilities = new()
    {
        System = "inmemory",
        Durability = Capability.Unsupported("messages live in this process"),
        DelayedPublish = Capability.Native,
        LeaseRenewal = Capability.Native,
        Fencing = Capability.Native,
        UncountedRelease = Capability.Native,
        ConfirmedSettlement = Capability.Native,
        DuplicateDetection = Capability.Native,
        Priorities = Capability.Native,
        Transactions = Capability.Unsupported("memory takes no part in the transactions of a database"),
        RequestReply = Capability.Native,
        Browsing = Capability.Native,
    };

    private readonly InMemoryBroker _broker;
    private readonly Lock _gate = new();
    private readonly HashSet<InMemoryReceiver> _receivers = [];
    private volatile bool _disposed;

    /// <summary>Connects to a broker, which other transports may share.</summary>
    public InMemoryTransport(InMemoryBroker broker)
    {
        ArgumentNullException.ThrowIfNull(broker);
        _broker = broker;
    }

    /// <inheritdoc/>
    public TransportCapabilities Capabilities => Abilities;

    /// <inheritdoc/>
    public IStateStore CreateStateStore() => new InMemoryStateStore(_broker);

    /// <inheritdoc/>
    public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(topology);
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        _broker.Declare(topology);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        CheckLength(batch.Length, results.Length);
        ObjectDisposedException.ThrowIf(_disposed, this);
        var messages = batch.Span;
        var outcomes = results.Span;
        for (var i = 0; i < messages.Length; i++)
        {
            outcomes[i] = cancellationToken.IsCancellationRequested
                ? new(PublishStatus.NotSent, new OperationCanceledException(cancellationToken))
                : _broker.Publish(messages[i]);
        }

        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Prefetch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(options.Lease, TimeSpan.Zero);
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var queue = _broker.FindQueue(options.Queue)
                ?? throw new TransportException($"The queue '{options.Queue}' does not exist.", TransportError.QueueNotFound);
            var receiver = new InMemoryReceiver(this, queue, options);
            receiver.Open();
            _receivers.Add(receiver);
            return new(receiver);
        }
    }

    /// <inheritdoc/>
    async ValueTask<IReplyReader> IReplyQueues.OpenReplyQueueAsync(string queue, CancellationToken cancellationToken)
    {
        _broker.DeclareReplyQueue(queue);
        return new InMemoryReplyReader(_broker, await OpenReceiverAsync(new() { Queue = queue }, cancellationToken).ConfigureAwait(false), queue);
    }

    /// <inheritdoc/>
    ValueTask<long> IDeadLetterAccess.CountAsync(string queue, CancellationToken cancellationToken) => new(DeadLettersOf(queue).CountVisible());

    /// <inheritdoc/>
    ValueTask<IReadOnlyList<StoredDeadLetter>> IDeadLetterAccess.ListAsync(string queue, string? after, int max, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        return new(DeadLettersOf(queue).Browse(Place(after), max, isReady: true).ConvertAll(AsLetter));
    }

    /// <inheritdoc/>
    ValueTask<StoredDeadLetter?> IDeadLetterAccess.FindAsync(string queue, string position, CancellationToken cancellationToken) =>
        new(DeadLettersOf(queue).Find(Place(position), isReady: true) is { } found ? AsLetter(found) : null);

    /// <inheritdoc/>
    ValueTask<bool> IDeadLetterAccess.DeleteAsync(string queue, string position, CancellationToken cancellationToken) => new(DeadLettersOf(queue).Delete(Place(position)));

    /// <inheritdoc/>
    ValueTask<QueueDepth> IQueueDepth.DepthAsync(string queue, CancellationToken cancellationToken) => new(Find(queue, queue).Measure());

    /// <inheritdoc/>
    ValueTask<IReadOnlyList<string>> IQueueList.ListQueuesAsync(string prefix, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new(_broker.QueueNames(prefix));
    }

    /// <inheritdoc/>
    ValueTask<IReadOnlyList<PendingMessage>> IQueueBrowser.ListAsync(string queue, string? after, int max, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        return new(Find(queue, queue).Browse(Place(after), max));
    }

    /// <inheritdoc/>
    ValueTask<PendingMessage?> IQueueBrowser.FindAsync(string queue, string position, CancellationToken cancellationToken) => new(Find(queue, queue).Find(Place(position)));

    /// <inheritdoc/>
    ValueTask<long> IQueueFlush.FlushAsync(string queue, bool delayed, CancellationToken cancellationToken) => new(Find(queue, queue).Flush(delayed));

    /// <summary>Disposes of its receivers too. The broker and its messages stay.</summary>
    public async ValueTask DisposeAsync()
    {
        InMemoryReceiver[] open;
        lock (_gate)
        {
            _disposed = true;
            open = [.. _receivers];
        }

        foreach (var receiver in open)
        {
            await receiver.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static StoredDeadLetter AsLetter(PendingMessage message) => new(message.Position, message.Envelope);

    /// <summary>No message has the place of a position that is not one, and all come after it.</summary>
    private static long Place(string? position) => long.TryParse(position, NumberStyles.None, CultureInfo.InvariantCulture, out var place) ? place : -1;

    private InMemoryQueue DeadLettersOf(string queue) => Find(Names.DeadLetterQueue(queue), queue);

    private InMemoryQueue Find(string name, string queue)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _broker.FindQueue(name)
            ?? throw new TransportException($"The queue '{queue}' does not exist.", TransportError.QueueNotFound);
    }

    /// <summary>The receiver was disposed of.</summary>
    internal void Forget(InMemoryReceiver receiver)
    {
        lock (_gate)
        {
            _receivers.Remove(receiver);
        }
    }

    /// <summary>Results must be as many as items.</summary>
    internal static void CheckLength(int items, int results)
    {
        if (items != results)
        {
            throw new ArgumentException($"There are {items} items but room for {results} results.", nameof(results));
        }
    }
}
