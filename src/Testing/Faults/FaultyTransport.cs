using Postrider.Core.State;
using Postrider.Core.Transport;
using Postrider.Testing.Harness;

namespace Postrider.Testing;

/// <summary>
/// A transport with one fault, around a good one. It proves tests: a test of a messaging system that stays green with a fault
/// does not test what it says. The conformance suite is proven so, and suites of your own can be.
/// </summary>
/// <remarks>It owns the inner transport: disposal goes through.</remarks>
public sealed class FaultyTransport : ITransport, IDeadLetterAccess, IQueueBrowser, IQueueFlush, IQueueDepth, IQueueList, IReplyQueues, IStateStoreSource
{
    private readonly ITransport _inner;
    private readonly FaultSwitch _fault;
    private readonly FaultyPublisher _publisher;
    private int _closes;

    /// <summary>Puts a fault on a transport.</summary>
    public FaultyTransport(ITransport inner, Fault fault)
        : this(inner, new FaultSwitch(fault))
    {
    }

    internal FaultyTransport(ITransport inner, FaultSwitch fault) =>
        (_inner, _fault, _publisher) = (inner, fault, new FaultyPublisher(inner, fault));

    /// <summary>How often the fault struck.</summary>
    public int Strikes => _fault.Strikes;

    /// <inheritdoc/>
    public TransportCapabilities Capabilities => _fault.Hits(Fault.HidesReasons)
        ? _inner.Capabilities with { Durability = Silent(_inner.Capabilities.Durability), DuplicateDetection = Silent(_inner.Capabilities.DuplicateDetection) }
        : _fault.Hits(Fault.ClaimsTransactions) ? _inner.Capabilities with { Transactions = Capability.Native }
        : _inner.Capabilities;

    /// <inheritdoc/>
    public IStateStore? CreateStateStore() => (_inner as IStateStoreSource)?.CreateStateStore();

    /// <inheritdoc/>
    public async ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(topology);
        var isKnown = _fault.Router.Meet(topology);
        if (_fault.Hits(Fault.ThrowsOnSecondDeclare, isKnown))
        {
            throw new TransportException("The queue exists already.", TransportError.TopologyMismatch);
        }

        var inner = _fault.Hits(Fault.IgnoresPriorities, topology.PriorityQueues.Count > 0) ? new Topology(topology.Queues, topology.Bindings)
            : _fault.Hits(Fault.InventsPriorities) ? new Topology(topology.Queues, topology.Bindings, topology.Queues)
            : topology;
        await OutageAsync(() => _inner.DeclareAsync(inner, cancellationToken), cancellationToken).ConfigureAwait(false);
        _fault.Router.Add(topology, _fault.Fault);
        if (_fault.Hits(Fault.DeclareEmptiesQueues, isKnown))
        {
            await EmptyAsync(topology.Queues[0]).ConfigureAwait(false);
        }

        if (_fault.Router.Missed(topology) is { Count: > 0 } missed && _fault.Hits(Fault.ReplaysHistory))
        {
            await _inner.PublishAsync(missed.Select(static one => FaultyContents.Again(one)).ToArray(), new PublishResult[missed.Count], cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
        _publisher.PublishAsync(batch, results, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (_fault.Hits(Fault.HasNoDeadLetterQueue, Names.IsDeadLetterQueue(options.Queue)))
        {
            throw new TransportException("There is none.", TransportError.QueueNotFound);
        }

        if (_fault.Hits(Fault.OpensMissingQueues))
        {
            await _inner.DeclareAsync(new([options.Queue], []), cancellationToken).ConfigureAwait(false);
        }

        var inner = options with
        {
            Lease = _fault.Hits(Fault.GivesAwayEarly) ? options.Lease / 3 : options.Lease,
            LowerPriorityOneIn = _fault.Hits(Fault.StarvesLowerLevels, options.LowerPriorityOneIn > 0) ? 0
                : _fault.Hits(Fault.SharesStrictQueues, options.LowerPriorityOneIn == 0) ? PriorityOptions.DefaultLowerOneIn
                : options.LowerPriorityOneIn,
        };
        IReceiver? receiver = null;
        await OutageAsync(
            async () => receiver = await _inner.OpenReceiverAsync(inner, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        return receiver is ILeaseRenewal renewal
            ? new RenewableFaultyReceiver(this, _inner, receiver, renewal, options, _fault)
            : new FaultyReceiver(this, _inner, receiver!, options, _fault);
    }

    /// <inheritdoc/>
    public async ValueTask<IReplyReader> OpenReplyQueueAsync(string queue, CancellationToken cancellationToken)
    {
        var reader = await ReplyQueues.OpenAsync(_inner, queue, cancellationToken).ConfigureAwait(false);
        return _fault.Fault == Fault.LosesReplies ? new ReaderOfNothing(reader, _fault) : reader;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _publisher.Close();
        if (_fault.Hits(Fault.ThrowsOnSecondClose, Interlocked.Increment(ref _closes) > 1))
        {
            throw new InvalidOperationException("Disposed of already.");
        }

        if (_fault.Hits(Fault.HangsOnClose))
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System).ConfigureAwait(false);
        }

        await _inner.DisposeAsync().ConfigureAwait(false);
    }

    async ValueTask<QueueDepth> IQueueDepth.DepthAsync(string queue, CancellationToken cancellationToken)
    {
        if (_fault.Hits(Fault.CountsNothing))
        {
            return new(0, 0, 0, TimeSpan.Zero);
        }

        var depth = await ((IQueueDepth)_inner).DepthAsync(queue, cancellationToken).ConfigureAwait(false);
        return _fault.Hits(Fault.CountsAllAsReady) ? depth with { Ready = depth.Total, Unsettled = 0 }
            : _fault.Hits(Fault.HidesAge) ? depth with { OldestAge = TimeSpan.Zero }
            : depth;
    }

    async ValueTask<IReadOnlyList<string>> IQueueList.ListQueuesAsync(string prefix, CancellationToken cancellationToken)
    {
        var list = _inner as IQueueList ?? throw new NotSupportedException($"'{_inner.Capabilities.System}' cannot list queues.");
        var queues = await list.ListQueuesAsync(prefix, cancellationToken).ConfigureAwait(false);
        return _fault.Hits(Fault.HidesQueues) ? [] : _fault.Hits(Fault.ListsDeadLetterQueues) ? [.. queues, .. queues.Select(Names.DeadLetterQueue)] : queues;
    }

    async ValueTask<IReadOnlyList<PendingMessage>> IQueueBrowser.ListAsync(string queue, string? after, int max, CancellationToken cancellationToken)
    {
        if (_fault.Hits(Fault.BrowsesByTaking))
        {
            await TouchAsync(queue).ConfigureAwait(false);
        }

        var page = await Browser.ListAsync(queue, _fault.Hits(Fault.RepeatsPages, after is not null) ? null : after, max, cancellationToken).ConfigureAwait(false);
        return _fault.Hits(Fault.HidesWaiting) ? [.. page.Where(static one => one is { DueAt: null, IsInHand: false, Envelope.Priority: null })] : page;
    }

    async ValueTask<PendingMessage?> IQueueBrowser.FindAsync(string queue, string position, CancellationToken cancellationToken)
    {
        var found = await Browser.FindAsync(queue, position, cancellationToken).ConfigureAwait(false);
        return found is null && _fault.Hits(Fault.ShowsWhatIsGone) ? new(position, new() { Id = position }) : found;
    }

    async ValueTask<long> IQueueFlush.FlushAsync(string queue, bool delayed, CancellationToken cancellationToken)
    {
        var flush = _inner as IQueueFlush ?? throw new NotSupportedException($"'{_inner.Capabilities.System}' cannot flush queues.");
        if (_fault.Hits(Fault.FlushesNothing))
        {
            return (await ((IQueueDepth)_inner).DepthAsync(queue, cancellationToken).ConfigureAwait(false)).Total;
        }

        if (_fault.Hits(Fault.FlushesAllQueues))
        {
            foreach (var other in _fault.Router.Queues.Where(other => other != queue))
            {
                await flush.FlushAsync(other, delayed, cancellationToken).ConfigureAwait(false);
            }
        }

        return await flush.FlushAsync(queue, delayed || _fault.Hits(Fault.FlushesDelayed), cancellationToken).ConfigureAwait(false);
    }

    ValueTask<long> IDeadLetterAccess.CountAsync(string queue, CancellationToken cancellationToken) => Letters.CountAsync(queue, cancellationToken);

    ValueTask<IReadOnlyList<StoredDeadLetter>> IDeadLetterAccess.ListAsync(string queue, string? after, int max, CancellationToken cancellationToken) =>
        Letters.ListAsync(queue, after, max, cancellationToken);

    ValueTask<StoredDeadLetter?> IDeadLetterAccess.FindAsync(string queue, string position, CancellationToken cancellationToken) =>
        Letters.FindAsync(queue, position, cancellationToken);

    ValueTask<bool> IDeadLetterAccess.DeleteAsync(string queue, string position, CancellationToken cancellationToken) =>
        _fault.Hits(Fault.KeepsDiscarded) ? new(true) : Letters.DeleteAsync(queue, position, cancellationToken);

    private IDeadLetterAccess Letters =>
        _inner as IDeadLetterAccess ?? throw new NotSupportedException($"'{_inner.Capabilities.System}' cannot look into dead-letter queues.");

    private IQueueBrowser Browser =>
        _inner as IQueueBrowser ?? throw new NotSupportedException($"'{_inner.Capabilities.System}' cannot look into queues.");

    private static Capability Silent(Capability capability) => new(capability.Level);

    private async ValueTask OutageAsync(Func<ValueTask> action, CancellationToken cancellationToken)
    {
        try
        {
            await action().ConfigureAwait(false);
        }
        catch (TransportException outage) when (_fault.Hits(Fault.HangsOnOutage, outage.IsTransient))
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
    }

    private Task EmptyAsync(string queue) => TakeAsync(queue, Settlement.Ack);

    /// <summary>As if each had failed and was to be tried again at once.</summary>
    private Task TouchAsync(string queue) => TakeAsync(queue, static one => Settlement.Retry(one, TimeSpan.Zero));

    private async Task TakeAsync(string queue, Func<Delivery, Settlement> settle)
    {
        var receiver = await _inner.OpenReceiverAsync(new() { Queue = queue }, CancellationToken.None).ConfigureAwait(false);
        await using var closing = receiver.ConfigureAwait(false);
        using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        try
        {
            var all = await receiver.ReceiveAsync(32, soon.Token).ConfigureAwait(false);
            await receiver.SettleAsync(all.Select(settle).ToArray(), new SettleResult[all.Count], CancellationToken.None).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
        }
    }

    private sealed class ReaderOfNothing(IReplyReader inner, FaultSwitch fault) : IReplyReader
    {
        public async ValueTask<IReadOnlyList<Envelope>> ReadAsync(CancellationToken cancellationToken)
        {
            await inner.ReadAsync(cancellationToken).ConfigureAwait(false);
            fault.Hits(Fault.LosesReplies);
            return [];
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
