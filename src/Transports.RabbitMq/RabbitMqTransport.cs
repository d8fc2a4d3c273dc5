using System.Collections.Immutable;
using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq;

/// <summary>Quorum queues on RabbitMQ 3.10 and newer, over AMQP 0-9-1, without plugins.</summary>
/// <remarks>
/// <para>Thread-safe. Connects at the first use. Dispose of it once, after its receivers.</para>
/// <para>Messages are plain AMQP messages, so any client can read and write them: the body is the payload, metadata are basic properties and
/// headers. A queue has its own name, topics are routing keys of the exchange <c>postrider.topics</c>.</para>
/// </remarks>
public sealed class RabbitMqTransport : ITransport, IDeadLetterAccess, IQueueFlush, IQueueDepth, IQueueList, IMappedTopics, IReplyQueues, ITelemetryNames
{
    private readonly RabbitMqOptions _options;
    private readonly Connections _connections;
    private readonly RabbitMqPublisher _publisher;
    private readonly BindingRegistry _registry;
    private readonly QueueNotes _notes;
    private readonly DelayLadder _ladder;
    private readonly DelayedPublisher _delayed;
    private readonly MappedTopics? _mapped;
    private readonly RabbitMqTopology _topology;
    private readonly RabbitMqDeadLetters _deadLetters;
    private readonly QueueContents _contents;
    private int _disposed;

    /// <summary>Checks the options; nothing is connected yet.</summary>
    /// <param name="options">Where RabbitMQ is and what to use of it.</param>
    /// <param name="loggers">Where to log, or null for nowhere.</param>
    /// <exception cref="MessagingConfigurationException">An option is wrong, or the connection string cannot be read.</exception>
    public RabbitMqTransport(RabbitMqOptions options, ILoggerFactory? loggers = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        var log = (loggers ?? NullLoggerFactory.Instance).CreateLogger("Postrider.Transports.RabbitMq");
        _options = options;
        _connections = new(options, log);
        _publisher = new(_connections, options);
        _registry = new(_connections, _publisher, options.CommandTimeout, options.CreateTopology);
        _ladder = new(_connections, options.CreateTopology);
        _delayed = new(_publisher, _ladder, _registry, _connections);
        _mapped = options.Topics.IsEmpty ? null : new(options.Topics, _connections, options, _delayed);
        _notes = new(_connections);
        _topology = new(_connections, _registry, _notes, options.CreateTopology);
        _deadLetters = new(_connections);
        _contents = new(_connections);
    }

    /// <inheritdoc/>
    public TransportCapabilities Capabilities { get; } = new()
    {
        System = "rabbitmq",
        Durability = Capability.Native,
        DelayedPublish = Capability.Emulated("by queues whose messages expire, a ladder of them for each queue that gets delayed messages"),
        LeaseRenewal = Capability.Unsupported("A delivery belongs to its connection for as long as that lives, up to the server's consumer_timeout."),
        Fencing = Capability.Native,
        UncountedRelease = Capability.Unsupported("RabbitMQ 3 counts a hand-back like a crash. Those of suspects are not counted: they are published anew with their count."),
        ConfirmedSettlement = Capability.Unsupported("AMQP does not confirm a settlement: it is written to the socket."),
        DuplicateDetection = Capability.Unsupported("RabbitMQ does not know messages by their ids. Use the inbox where duplicates matter."),
        Priorities = Capability.Emulated("by a queue for each level, and an exchange that leads messages to them"),
        Transactions = Capability.Unsupported("RabbitMQ takes no part in the transactions of a database."),
        RequestReply = Capability.Native,
        Browsing = Capability.Unsupported("AMQP can only take messages and give them back, which hides them from consumers, counts as a hand-out and changes their order."),
    };

    /// <inheritdoc/>
    public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(topology);
        ThrowIfDisposed();
        return _topology.DeclareAsync(topology, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(results.Length, batch.Length);
        return _mapped is null
            ? _delayed.PublishAsync(batch, default, results, cancellationToken)
            : _mapped.PublishAsync(batch, results, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Prefetch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Lease, TimeSpan.FromMilliseconds(1));
        ThrowIfDisposed();
        if (Names.WhyIllegalQueue(options.Queue) is { } why)
        {
            throw new MessagingConfigurationException(why);
        }

        if (options.Lease > _options.ConsumerTimeout)
        {
            throw new TransportException(
                $"The consumer of '{options.Queue}' wants a lease of {options.Lease}, but RabbitMQ takes deliveries back after {_options.ConsumerTimeout}. "
                + "Shorten the lease, or raise consumer_timeout on the server and RabbitMqOptions.ConsumerTimeout.",
                TransportError.TopologyMismatch);
        }

        var opening = Task.Run(() => ConsumerChannel.OpenAsync(_connections, options), CancellationToken.None);
        try
        {
            var channel = await opening.WaitAsync(cancellationToken).ConfigureAwait(false);
            return new RabbitMqReceiver(_connections, _delayed, options, channel);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            RabbitMqReceiver.DisposeWhenOpen(opening);
            throw;
        }
    }

    /// <inheritdoc/>
    IReadOnlyDictionary<string, string> IMappedTopics.MappedTopics => _options.Topics.ToImmutableSortedDictionary(
        static one => one.Key, static one => one.Value.ToString(), StringComparer.Ordinal);

    /// <inheritdoc/>
    DnsEndPoint? ITelemetryNames.Server => _connections.Server;

    /// <inheritdoc/>
    TelemetryDestination ITelemetryNames.Describe(Destination destination) =>
        destination.Kind == DestinationKind.Queue ? Named("", destination.Name)
        : _options.Topics.TryGetValue(destination.Name, out var mapped) ? Named(mapped.Exchange!, mapped.RoutingKey)
        : Named(RabbitMqTopology.Topics, destination.Name);

    /// <inheritdoc/>
    TelemetryDestination ITelemetryNames.Describe(Delivery delivery)
    {
        // By its topic, as an attempt after the first comes through the default exchange.
        var (queue, topic) = (delivery.Queue, delivery.Envelope.Topic);
        var named = topic is null ? Named("", queue) : Named(RabbitMqTopology.Topics, topic);
        return named with { Name = topic is null || topic == queue ? named.Name : $"{named.Name}:{queue}", DeliveryTag = (delivery as RabbitMqDelivery)?.Tag };
    }

    /// <inheritdoc/>
    async ValueTask<IReplyReader> IReplyQueues.OpenReplyQueueAsync(string queue, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return await ReplyQueue.OpenAsync(_connections, _delayed, queue, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    ValueTask<QueueDepth> IQueueDepth.DepthAsync(string queue, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _contents.CountAsync(queue, cancellationToken);
    }

    /// <inheritdoc/>
    ValueTask<IReadOnlyList<string>> IQueueList.ListQueuesAsync(string prefix, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _topology.ListAsync(prefix, cancellationToken);
    }

    /// <inheritdoc/>
    ValueTask<long> IQueueFlush.FlushAsync(string queue, bool delayed, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _contents.FlushAsync(queue, delayed, cancellationToken);
    }

    /// <inheritdoc/>
    ValueTask<long> IDeadLetterAccess.CountAsync(string queue, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _deadLetters.CountAsync(queue, cancellationToken);
    }

    /// <inheritdoc/>
    ValueTask<IReadOnlyList<StoredDeadLetter>> IDeadLetterAccess.ListAsync(string queue, string? after, int max, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        ThrowIfDisposed();
        return _deadLetters.ListAsync(queue, after, max, cancellationToken);
    }

    /// <inheritdoc/>
    ValueTask<StoredDeadLetter?> IDeadLetterAccess.FindAsync(string queue, string position, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _deadLetters.FindAsync(queue, position, cancellationToken);
    }

    /// <inheritdoc/>
    ValueTask<bool> IDeadLetterAccess.DeleteAsync(string queue, string position, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _deadLetters.DeleteAsync(queue, position, cancellationToken);
    }

    /// <inheritdoc/>
    ValueTask<long> IDeadLetterAccess.VisitAsync(string queue, Func<StoredDeadLetter, ValueTask<bool>> remove, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(remove);
        ThrowIfDisposed();
        return _deadLetters.VisitAsync(queue, remove, cancellationToken);
    }

    /// <summary>Sends what is waiting to be published, for a short while, and closes all connections. Idempotent.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        if (_mapped is { } mapped)
        {
            await mapped.DisposeAsync().ConfigureAwait(false);
        }

        await _notes.DisposeAsync().ConfigureAwait(false);
        await _publisher.DisposeAsync().ConfigureAwait(false);
        await _registry.DisposeAsync().ConfigureAwait(false);
        await _connections.DisposeAsync().ConfigureAwait(false);
        _ladder.Dispose();
    }

    /// <summary>By the conventions for RabbitMQ: what is empty is left out.</summary>
    private static TelemetryDestination Named(string exchange, string routingKey) => new(
        exchange.Length == 0 ? routingKey.Length == 0 ? "amq.default" : routingKey : routingKey.Length == 0 ? exchange : $"{exchange}:{routingKey}",
        routingKey.Length == 0 ? null : routingKey);

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
}
