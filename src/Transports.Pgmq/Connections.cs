using System.Collections.Concurrent;
using System.Net;
using Microsoft.Extensions.Logging;
using Npgsql;
using Postrider.Persistence.Postgres;

namespace Postrider.Transports.Pgmq;

/// <summary>The bounded pools of one transport: for publishing, for receiving, and two connections outside them for waiting.</summary>
internal sealed class Connections : IAsyncDisposable
{
    private readonly PostgresServer _server;
    private readonly PgmqOptions _options;
    private readonly ConcurrentDictionary<NpgsqlDataSource, bool> _handling = new();

    public Connections(PgmqOptions options, ILogger logger)
    {
        options.Validate();
        _options = options;
        _server = new(options.ConnectionString, "PgmqOptions.ConnectionString", options.Tls, "pgmq", logger);
        (Where, Database) = (_server.Where, _server.Database);
        CommandTimeout = Seconds(options.CommandTimeout);
        Publish = Pool("publish", options.PublishConnections);
        Receive = Pool("receive", options.ReceiveConnections);
        Listen = Pool("listen", 0);
    }

    /// <summary>Host, port and database, for messages.</summary>
    public string Where { get; }

    /// <summary>For telemetry.</summary>
    public DnsEndPoint Server => _server.Address;

    /// <summary>The database of the queues.</summary>
    public string? Database { get; }

    public int CommandTimeout { get; }

    public NpgsqlDataSource Publish { get; }

    public NpgsqlDataSource Receive { get; }

    /// <summary>Not pooled: each connection is new, and closed for good.</summary>
    public NpgsqlDataSource Listen { get; }

    /// <summary>Opens a connection; nothing has been asked of the server when it fails.</summary>
    /// <exception cref="TransportException">None came free in time, or the server refuses or is away.</exception>
    public async ValueTask<NpgsqlConnection> OpenAsync(NpgsqlDataSource source, string doing, CancellationToken cancellationToken)
    {
        try
        {
            return await source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw Failed(e, doing);
        }
    }

    /// <summary>Maps the error, and after a broken connection drops the idle ones, which are probably broken too.</summary>
    public TransportException Failed(Exception error, string doing)
    {
        if (PostgresErrors.IsBroken(error))
        {
            Clear();
        }

        return _server.Tls?.WhyRefused(error) is { } why
            ? new(PostgresErrors.TellRefused(why, doing, Where), TransportError.NotTrusted, error)
            : PgmqErrors.Map(error, doing, Where);
    }

    public void Clear()
    {
        Publish.Clear();
        Receive.Clear();
        foreach (var (pool, _) in _handling)
        {
            pool.Clear();
        }
    }

    /// <summary>A pool for one receiver's transactions. Its sessions are the users': not set up for queues, and reset after each use.</summary>
    public NpgsqlDataSource OpenHandling(int size)
    {
        var settings = Settings("handle", size);
        (settings.NoResetOnClose, settings.MaxAutoPrepare) = (false, 0);
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        if (_server.Tls is { } tls)
        {
            builder.UseSslClientAuthenticationOptionsCallback(tls.Apply);
        }

        _options.ConfigureHandling?.Invoke(builder);
        var pool = builder.Build();
        _handling[pool] = true;
        return pool;
    }

    public ValueTask CloseHandlingAsync(NpgsqlDataSource pool)
    {
        _handling.TryRemove(pool, out _);
        return pool.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await Publish.DisposeAsync().ConfigureAwait(false);
        await Receive.DisposeAsync().ConfigureAwait(false);
        await Listen.DisposeAsync().ConfigureAwait(false);
    }

    private NpgsqlConnectionStringBuilder Settings(string role, int size)
    {
        var own = _server.Settings($"{_options.ApplicationName} {role}", size);
        own.Timeout = Seconds(_options.CheckoutTimeout);
        own.CommandTimeout = Seconds(_options.CommandTimeout);
        // Two statements for each queue that is only polled, four for one that is busy.
        own.MaxAutoPrepare = size > 0 ? 512 : 0;
        if (size == 0 && own.KeepAlive == 0)
        {
            // These two only wait, so nothing else would notice that the server is gone.
            own.KeepAlive = 15;
        }

        return own;
    }

    private NpgsqlDataSource Pool(string role, int size)
    {
        var builder = _server.Builder(Settings(role, size));
        if (size > 0)
        {
            builder.UsePhysicalConnectionInitializer(
                static connection => throw new NotSupportedException("This transport opens connections asynchronously only."),
                static async connection =>
                {
                    var command = new NpgsqlCommand(Sql.PlanForQueues, connection);
                    await using (command.ConfigureAwait(false))
                    {
                        await command.ExecuteNonQueryAsync().ConfigureAwait(false);
                    }
                });
        }

        return builder.Build();
    }

    private static int Seconds(TimeSpan time) => (int)Math.Ceiling(time.TotalSeconds);
}
