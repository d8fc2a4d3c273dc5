using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Postrider.Core.State;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>NATS JetStream: a stream for all topics, a stream for each queue, and one for its dead letters.</summary>
/// <remarks>
/// <para>Thread-safe. Connects at the first use. Dispose of it once, after its receivers.</para>
/// <para>Bodies are stored as they are and metadata in headers, by the CloudEvents binding for NATS, so any NATS client can read and write them.</para>
/// </remarks>
public sealed class NatsTransport : ITransport, IDeadLetterAccess, IQueueBrowser, IQueueFlush, IQueueDepth, IQueueList, IMappedTopics, IReplyQueues, IStateStoreSource, ITelemetryNames
{
    private readonly Subjects _subjects;
    private readonly Func<Links> _stateLinks;
    private readonly Links _publishLinks;
    private readonly Links _consumeLinks;
    private readonly JetStreamApi _api;
    private readonly Registry _routes;
    private readonly Registry _registry;
    private readonly NatsPublisher _publisher;
    private readonly MappedTopics? _mapped;
    private readonly NatsPublisher _copier;
    private readonly NatsTopology _topology;
    private readonly ServerClock _clock;
    private readonly NatsBrowser _browser;
    private readonly DepthCounter _depth;
    private readonly NatsOptions _options;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private readonly HashSet<NatsReceiver> _receivers = [];
    private int _warned;
    private int _disposed;

    /// <summary>Checks the options; nothing is connected yet.</summary>
    /// <param name="options">Where NATS is and what to use of it.</param>
    /// <param name="loggers">Where to log, or null for nowhere.</param>
    /// <exception cref="MessagingConfigurationException">An option is wrong, or the connection string cannot be read.</exception>
    public NatsTransport(NatsOptions options, ILoggerFactory? loggers = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        _log = (loggers ?? NullLoggerFactory.Instance).CreateLogger("Postrider.Transports.Nats");
        var servers = ConnectionStrings.Parse(options.ConnectionString);
        var tls = options.Tls is { } wanted ? new TlsClient(wanted, Capabilities.System, _log)
            : servers.Tls ? new TlsClient(new(), Capabilities.System, _log) : null;
        _subjects = new(options.Prefix);
        _stateLinks = () => new(options, servers, tls, "state", _log);
        _publishLinks = new(options, servers, tls, "publish", _log);
        _consumeLinks = new(options, servers, tls, "consume", _log);
        _api = new(_consumeLinks);
        _routes = new(new(_publishLinks), _subjects);
        _registry = new(_api, _subjects);
        _publisher = new(_publishLinks, _subjects, _routes);
        _mapped = options.Topics.IsEmpty ? null : new(options.Topics, _publisher);
        _copier = new(_consumeLinks, _subjects, null);
        _topology = new(_api, _subjects, _registry, _log);
        _clock = new(_api, _subjects.BindingsStream, _subjects.Clock);
        _browser = new(_api, _subjects, _registry);
        _depth = new(_api, _subjects, _clock);
    }

    /// <inheritdoc/>
    public TransportCapabilities Capabilities { get; } = new()
    {
        System = "nats",
        Durability = Capability.Native,
        DelayedPublish = Capability.Emulated("parked on the server and moved when due by a process that receives from the queue"),
        LeaseRenewal = Capability.Native,
        Fencing = Capability.Emulated("by this process's clock: the server does not fence late acks, so none is sent after the lease"),
        UncountedRelease = Capability.Unsupported("the server counts a hand-back like a crash; suspects are handed back as new messages, uncounted"),
        ConfirmedSettlement = Capability.Unsupported("acks are written to the connection, the server does not answer them"),
        DuplicateDetection = Capability.Native,
        Priorities = Capability.Emulated("a stream beside the queue's with a consumer for each level; publishing with a priority asks the server first which queues have levels"),
        Transactions = Capability.Unsupported("NATS takes no part in the transactions of a database."),
        RequestReply = Capability.Native,
        Browsing = Capability.Native,
    };

    /// <inheritdoc/>
    public async ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(topology);
        ThrowIfDisposed();
        await _topology.DeclareAsync(topology, cancellationToken).ConfigureAwait(false);
        WarnOnce();
    }

    /// <inheritdoc/>
    public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(results.Length, batch.Length);
        return _mapped is null ? _publisher.PublishAsync(batch, results, cancellationToken) : _mapped.PublishAsync(batch, results, cancellationToken);
    }

    /// <inheritdoc/>
    IReadOnlyDictionary<string, string> IMappedTopics.MappedTopics => _options.Topics.ToImmutableSortedDictionary(
        static one => one.Key, static one => $"the subject '{one.Value}'", StringComparer.Ordinal);

    /// <inheritdoc/>
    DnsEndPoint? ITelemetryNames.Server => _publishLinks.Server;

    /// <inheritdoc/>
    public async ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Prefetch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Lease, TimeSpan.FromMilliseconds(100));
        Subjects.Check(options.Queue);
        var receiver = new NatsReceiver(_api, _subjects, _registry, _copier, _clock, options, Forget, _log);
        lock (_gate)
        {
            ThrowIfDisposed();
            _receivers.Add(receiver);
        }

        try
        {
            await receiver.OpenAsync(cancellationToken).ConfigureAwait(false);
            return receiver;
        }
        catch
        {
            await receiver.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    async ValueTask<IReplyReader> IReplyQueues.OpenReplyQueueAsync(string queue, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        await _topology.DeclareRepliesAsync(cancellationToken).ConfigureAwait(false);
        return await ReplyReader.OpenAsync(_api, _subjects.RepliesStream, _subjects.OfQueue(queue), _log, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    IStateStore IStateStoreSource.CreateStateStore()
    {
        ThrowIfDisposed();
        return new NatsStateStore(_stateLinks(), _subjects.StateBucket, _log);
    }

    /// <inheritdoc/>
    ValueTask<QueueDepth> IQueueDepth.DepthAsync(string queue, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _depth.OfAsync(queue, cancellationToken);
    }

    /// <inheritdoc/>
    ValueTask<IReadOnlyList<string>> IQueueList.ListQueuesAsync(string prefix, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _topology.ListAsync(prefix, cancellationToken);
    }

    /// <inheritdoc/>
    ValueTask<IReadOnlyList<PendingMessage>> IQueueBrowser.ListAsync(string queue, string? after, int max, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        ThrowIfDisposed();
        return _browser.ListAsync(queue, after, max, cancellationToken);
    }

    /// <inheritdoc/>
    ValueTask<PendingMessage?> IQueueBrowser.FindAsync(string queue, string position, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _browser.FindAsync(queue, position, cancellationToken);
    }

    /// <inheritdoc/>
    async ValueTask<long> IQueueFlush.FlushAsync(string queue, bool delayed, CancellationToken cancellationToken)
    {
        Subjects.Check(queue);
        ThrowIfDisposed();
        var parked = delayed ? await _browser.FlushParkedAsync(queue, cancellationToken).ConfigureAwait(false) : 0;
        var most = (await _depth.OfAsync(queue, cancellationToken).ConfigureAwait(false)).Total;
        var receiver = most == 0 ? null : await OpenReceiverAsync(new() { Queue = queue, Lease = NatsTopology.LongestAckWait }, cancellationToken).ConfigureAwait(false);
        return parked + (receiver is null ? 0 : await QueueFlush.TakeAllAsync(receiver, most, cancellationToken).ConfigureAwait(false));
    }

    /// <inheritdoc/>
    ValueTask<long> IDeadLetterAccess.CountAsync(string queue, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _browser.CountLettersAsync(queue, cancellationToken);
    }

    /// <inheritdoc/>
    ValueTask<IReadOnlyList<StoredDeadLetter>> IDeadLetterAccess.ListAsync(string queue, string? after, int max, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        ThrowIfDisposed();
        return _browser.ListLettersAsync(queue, after is null ? 0 : Sequence(after), max, cancellationToken);
    }

    /// <inheritdoc/>
    ValueTask<StoredDeadLetter?> IDeadLetterAccess.FindAsync(string queue, string position, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _browser.FindLetterAsync(queue, Sequence(position), cancellationToken);
    }

    /// <inheritdoc/>
    ValueTask<bool> IDeadLetterAccess.DeleteAsync(string queue, string position, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _browser.DeleteLetterAsync(queue, Sequence(position), cancellationToken);
    }

    /// <summary>Ends its receivers, sends what is on its way to the server, and closes the connections. Idempotent.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        NatsReceiver[] open;
        lock (_gate)
        {
            open = [.. _receivers];
        }

        await Task.WhenAll(open.Select(static one => one.DisposeAsync().AsTask())).ConfigureAwait(false);
        await _publisher.DisposeAsync().ConfigureAwait(false);
        await _copier.DisposeAsync().ConfigureAwait(false);
        await _publishLinks.DisposeAsync().ConfigureAwait(false);
        await _consumeLinks.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>No message has the sequence of a position that is not one.</summary>
    private static ulong Sequence(string position) =>
        ulong.TryParse(position, NumberStyles.None, CultureInfo.InvariantCulture, out var sequence) && sequence > 0 ? sequence : ulong.MaxValue - 1;

    private void Forget(NatsReceiver receiver)
    {
        lock (_gate)
        {
            _receivers.Remove(receiver);
        }
    }

    /// <summary>Clients cannot see whether a server syncs before it answers. Before 2.10 none does.</summary>
    private void WarnOnce()
    {
        if (_options.Storage == NatsStorage.Memory || _options.ServerSyncsAlways || _consumeLinks.Current is not { } link || Interlocked.Exchange(ref _warned, 1) != 0)
        {
            return;
        }

        _log.ServerMaySyncLate(link.Server.Version, _consumeLinks.Where, link.Server.Version.StartsWith("2.9.", StringComparison.Ordinal) ? ", which 2.9 does not know yet" : "");
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
}
