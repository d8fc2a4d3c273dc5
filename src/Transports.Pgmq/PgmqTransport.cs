using System.Collections.Immutable;
using System.Data.Common;
using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Postrider.Core.State;
using Postrider.Core.Transport;
using Postrider.Persistence.Postgres;

namespace Postrider.Transports.Pgmq;

/// <summary>PGMQ queues in PostgreSQL: with the extension, or with an equivalent schema that is installed at the first use.</summary>
/// <remarks>
/// <para>Thread-safe. Connects at the first use. Dispose of it once, after its receivers.</para>
/// <para>A queue <c>a.b-c</c> is the PGMQ queue <c>a_b_c</c>. JSON bodies are plain jsonb, metadata are in the column <c>headers</c>,
/// so any PGMQ client can read and write them. White space and the order of keys in JSON bodies are not kept.</para>
/// </remarks>
public sealed class PgmqTransport : ITransport, ITransactionalPublishing, IDeadLetterAccess, IQueueBrowser, IQueueFlush, IQueueDepth, IQueueList, IMappedTopics, IReplyQueues, IStateStoreSource, ITelemetryNames
{
    private readonly PgmqOptions _options;
    private readonly Connections _connections;
    private readonly SchemaMigration _schema;
    private readonly PgmqTopology _topology;
    private readonly MessageIds _ids;
    private readonly PgmqPublisher _publisher;
    private readonly TransactionPublisher _transactionPublisher;
    private readonly PgmqListener _listener;
    private readonly PgmqBrowser _browser;
    private readonly ILoggerFactory? _loggers;
    private readonly ILogger _log;
    private int _disposed;

    /// <summary>Checks the options; nothing is connected yet.</summary>
    /// <param name="options">Where PostgreSQL is and what to use of it.</param>
    /// <param name="loggers">Where to log, or null for nowhere.</param>
    /// <exception cref="MessagingConfigurationException">An option is wrong, or the connection string cannot be read.</exception>
    public PgmqTransport(PgmqOptions options, ILoggerFactory? loggers = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        _log = (loggers ?? NullLoggerFactory.Instance).CreateLogger("Postrider.Transports.Pgmq");
        (_options, _loggers) = (options, loggers);
        _connections = new(options, _log);
        _schema = new(_connections, options.CreateSchema, _log);
        _topology = new(_connections, _schema);
        _ids = new(_connections, options.DuplicateWindow);
        _publisher = new(_connections, _schema, _ids, options.Topics, options.PublishConnections);
        _transactionPublisher = new(_connections, _schema, _ids, options.Topics);
        _listener = new(_connections, _log);
        _browser = new(_connections, _schema);
        Capabilities = new()
        {
            System = "pgmq",
            Durability = Capability.Native,
            DelayedPublish = Capability.Native,
            LeaseRenewal = Capability.Native,
            Fencing = Capability.Native,
            UncountedRelease = Capability.Native,
            ConfirmedSettlement = Capability.Native,
            DuplicateDetection = options.DuplicateWindow > TimeSpan.Zero
                ? Capability.Native
                : Capability.Unsupported("It is switched off: PgmqOptions.DuplicateWindow is zero."),
            Priorities = Capability.Native,
            Transactions = Capability.Native,
            RequestReply = Capability.Native,
            Browsing = Capability.Native,
        };
    }

    /// <inheritdoc/>
    public TransportCapabilities Capabilities { get; }

    /// <inheritdoc/>
    public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(topology);
        ThrowIfDisposed();
        return _topology.DeclareAsync(topology, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
        _publisher.PublishAsync(batch, results, cancellationToken);

    /// <inheritdoc/>
    IReadOnlyDictionary<string, string> IMappedTopics.MappedTopics => _options.Topics.ToImmutableSortedDictionary(
        static one => one.Key, static one => $"the queue '{one.Value}' of PGMQ", StringComparer.Ordinal);

    /// <inheritdoc/>
    ValueTask ITransactionalPublishing.PublishAsync(
        ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, DbTransaction transaction, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _transactionPublisher.PublishAsync(batch, results, transaction, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Prefetch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Lease, TimeSpan.FromMilliseconds(1));
        ThrowIfDisposed();
        var doing = $"receive from '{options.Queue}'";
        _ = TableName.Of(options.Queue);
        await _schema.EnsureAsync(cancellationToken).ConfigureAwait(false);
        var connection = await _connections.OpenAsync(_connections.Receive, doing, cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            try
            {
                var command = new NpgsqlCommand(Sql.FindQueue, connection);
                await using (command.ConfigureAwait(false))
                {
                    command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = options.Queue });
                    using var found = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                    return await found.ReadAsync(cancellationToken).ConfigureAwait(false)
                        ? new PgmqReceiver(_connections, _listener, options, found.GetString(0), found.GetBoolean(1), _options.Archive, _log)
                        : throw new TransportException(
                            $"There is no queue '{options.Queue}' on PostgreSQL at {_connections.Where}. Declare it first.", TransportError.QueueNotFound);
                }
            }
            catch (Exception e) when (e is not (TransportException or OperationCanceledException))
            {
                if (PostgresErrors.LacksSchema(e))
                {
                    _schema.Forget();
                }

                throw _connections.Failed(e, doing);
            }
        }
    }

    /// <inheritdoc/>
    DnsEndPoint? ITelemetryNames.Server => _connections.Server;

    /// <inheritdoc/>
    async ValueTask<IReplyReader> IReplyQueues.OpenReplyQueueAsync(string queue, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        await _schema.EnsureAsync(cancellationToken).ConfigureAwait(false);
        return await ReplyReader.OpenAsync(
            _connections, queue, (options, table) => new PgmqReceiver(_connections, _listener, options, table, hasPriorities: false, archive: false, _log), cancellationToken)
            .ConfigureAwait(false);
    }

    /// <inheritdoc/>
    ValueTask<QueueDepth> IQueueDepth.DepthAsync(string queue, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _browser.DepthAsync(queue, cancellationToken);
    }

    /// <inheritdoc/>
    ValueTask<IReadOnlyList<string>> IQueueList.ListQueuesAsync(string prefix, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _browser.ListQueuesAsync(prefix, cancellationToken);
    }

    /// <inheritdoc/>
    async ValueTask<IReadOnlyList<PendingMessage>> IQueueBrowser.ListAsync(string queue, string? after, int max, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        ThrowIfDisposed();
        return await _browser.ListAsync(queue, queue, after, max, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    ValueTask<PendingMessage?> IQueueBrowser.FindAsync(string queue, string position, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _browser.FindAsync(queue, queue, position, cancellationToken);
    }

    /// <inheritdoc/>
    ValueTask<long> IQueueFlush.FlushAsync(string queue, bool delayed, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _browser.FlushAsync(queue, delayed, cancellationToken);
    }

    /// <inheritdoc/>
    ValueTask<long> IDeadLetterAccess.CountAsync(string queue, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _browser.CountAsync(queue, Names.DeadLetterQueue(queue), cancellationToken);
    }

    /// <inheritdoc/>
    async ValueTask<IReadOnlyList<StoredDeadLetter>> IDeadLetterAccess.ListAsync(string queue, string? after, int max, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        ThrowIfDisposed();
        return (await _browser.ListAsync(queue, Names.DeadLetterQueue(queue), after, max, cancellationToken).ConfigureAwait(false)).ConvertAll(AsLetter);
    }

    /// <inheritdoc/>
    async ValueTask<StoredDeadLetter?> IDeadLetterAccess.FindAsync(string queue, string position, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return await _browser.FindAsync(queue, Names.DeadLetterQueue(queue), position, cancellationToken).ConfigureAwait(false) is { } found ? AsLetter(found) : null;
    }

    /// <inheritdoc/>
    ValueTask<bool> IDeadLetterAccess.DeleteAsync(string queue, string position, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return _browser.DeleteAsync(queue, Names.DeadLetterQueue(queue), position, cancellationToken);
    }

    /// <inheritdoc/>
    public IStateStore CreateStateStore()
    {
        ThrowIfDisposed();
        return new PostgresStateStore(
            new() { ConnectionString = _options.ConnectionString, ApplicationName = _options.ApplicationName, CreateTable = _options.CreateSchema, Tls = _options.Tls }, _loggers);
    }

    /// <summary>Sends what is waiting to be published, for a short while, and closes all connections. Idempotent.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _publisher.DisposeAsync().ConfigureAwait(false);
        await _ids.DisposeAsync().ConfigureAwait(false);
        await _listener.DisposeAsync().ConfigureAwait(false);
        await _connections.DisposeAsync().ConfigureAwait(false);
        _schema.Dispose();
    }

    private static StoredDeadLetter AsLetter(PendingMessage message) => new(message.Position, message.Envelope);

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
}
