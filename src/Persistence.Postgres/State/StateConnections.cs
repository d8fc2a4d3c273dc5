using System.Transactions;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Postrider.Persistence.Postgres;

/// <summary>The connections of one state store: a bounded pool for calls, and one outside it to listen.</summary>
internal sealed class StateConnections : IAsyncDisposable
{
    private readonly PostgresServer? _server;

    public StateConnections(PostgresStateOptions options, ILogger log)
    {
        options.Validate();
        if (options.DataSource is { } given)
        {
            Where = ConnectionStrings.Where(new(given.ConnectionString));
            (Calls, Listen) = (given, given);
            return;
        }

        _server = new(options.ConnectionString, "PostgresStateOptions.ConnectionString", options.Tls, "postgresql", log);
        Where = _server.Where;
        Calls = Pool("state", options.Connections);
        Listen = Pool("state listen", 0);

        NpgsqlDataSource Pool(string role, int size)
        {
            var settings = _server.Settings($"{options.ApplicationName} {role}", size);
            settings.Timeout = settings.CommandTimeout = (int)Math.Ceiling(options.CallTimeout.TotalSeconds);
            // A pooler may give each statement to another session.
            settings.MaxAutoPrepare = 0;
            settings.CancellationTimeout = 1000;
            return _server.Builder(settings).Build();
        }
    }

    /// <summary>Host, port and database, for messages.</summary>
    public string Where { get; }

    public NpgsqlDataSource Calls { get; }

    public NpgsqlDataSource Listen { get; }

    /// <summary>Opens a connection that takes no part in a transaction of the caller.</summary>
    public static async ValueTask<NpgsqlConnection> OpenAsync(NpgsqlDataSource source, CancellationToken cancellationToken)
    {
        using var apart = Transaction.Current is null ? null : new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
        return await source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Maps the error, and after a broken connection drops the idle ones, which are probably broken too.</summary>
    public StateStoreException Failed(Exception error, string doing)
    {
        if (error is StateStoreException mapped)
        {
            return mapped;
        }

        if (PostgresErrors.IsBroken(error))
        {
            Calls.Clear();
        }

        if (_server?.Tls?.WhyRefused(error) is { } why)
        {
            return new(PostgresErrors.TellRefused(why, doing, Where), isTransient: false, error);
        }

        var (reason, advice) = PostgresErrors.Explain(error);
        return new(PostgresErrors.Tell(error, doing, Where, advice), reason is TransportError.Unavailable or TransportError.Timeout, error);
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await Calls.DisposeAsync().ConfigureAwait(false);
            await Listen.DisposeAsync().ConfigureAwait(false);
        }
    }
}
