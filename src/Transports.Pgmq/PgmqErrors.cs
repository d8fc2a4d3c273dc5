using System.Net.Sockets;
using Npgsql;

namespace Postrider.Transports.Pgmq;

/// <summary>Turns what Npgsql throws into <see cref="TransportException"/>: what, where, and what to do.</summary>
internal static class PgmqErrors
{
    /// <summary>The state that the function <c>postrider.declare</c> raises when two queues would share a table.</summary>
    public const string SharedTable = "PR001";

    /// <param name="error">What was thrown.</param>
    /// <param name="doing">What was tried, to follow "Cannot": <c>publish</c>, <c>receive from 'orders'</c>.</param>
    /// <param name="where">Host, port and database.</param>
    public static TransportException Map(Exception error, string doing, string where)
    {
        if (error is TransportException mapped)
        {
            return mapped;
        }

        var (reason, advice) = error switch
        {
            PostgresException server => OfState(server),
            NpgsqlOperationInProgressException => (TransportError.Other, "Await each command on a connection before the next."),
            OperationCanceledException => (TransportError.Timeout, "It was cancelled, or took too long."),
            NpgsqlException { InnerException: TimeoutException } or TimeoutException =>
                (TransportError.Timeout, "No connection came free, or no answer came, in time. Raise the number of connections or the time-out if this persists."),
            NpgsqlException or SocketException or IOException => (TransportError.Unavailable, "Is the server running and reachable?"),
            ObjectDisposedException => (TransportError.Other, "The transport has been disposed of."),
            _ => (TransportError.Other, "See the inner exception."),
        };
        var what = error is PostgresException { SqlState: var state, MessageText: var text } ? $"{text} ({state})" : error.Message;
        return new TransportException($"Cannot {doing} on PostgreSQL at {where}: {what.TrimEnd('.')}. {advice}", reason, error);
    }

    /// <summary>Whether the connection, and perhaps others of its pool, can no longer be used.</summary>
    public static bool IsBroken(Exception error) => error switch
    {
        PostgresException server => server.SqlState is PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow,
        NpgsqlException { InnerException: TimeoutException } or NpgsqlOperationInProgressException => false,
        NpgsqlException or SocketException or IOException => true,
        _ => false,
    };

    /// <summary>Whether the server refused these values, so that trying again is useless.</summary>
    public static bool ConcernsData(PostgresException error) =>
        error.SqlState.StartsWith("22", StringComparison.Ordinal)
        || error.SqlState.StartsWith("23", StringComparison.Ordinal)
        || error.SqlState.StartsWith("54", StringComparison.Ordinal);

    /// <summary>Whether our own schema has vanished, as when the database was made anew.</summary>
    public static bool LacksSchema(Exception error) =>
        error is PostgresException { SqlState: PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.InvalidSchemaName or PostgresErrorCodes.UndefinedTable };

    private static (TransportError Reason, string Advice) OfState(PostgresException error) => error.SqlState switch
    {
        PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification =>
            (TransportError.CredentialsRefused, "Check user and password, and the server's pg_hba.conf."),
        PostgresErrorCodes.InsufficientPrivilege =>
            (TransportError.CredentialsRefused, "Grant the role what it lacks: usage on the schemas pgmq and postrider and all on their tables, sequences and functions."),
        PostgresErrorCodes.InvalidCatalogName => (TransportError.SchemaMismatch, "Create the database first (CREATE DATABASE), or correct the connection string."),
        PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName => (TransportError.QueueNotFound, "Declare the queue first."),
        PostgresErrorCodes.UndefinedFunction => (TransportError.SchemaMismatch, "The schema is not complete; start once with CreateSchema = true."),
        PostgresErrorCodes.InFailedSqlTransaction => (TransportError.Other, "An earlier statement of the transaction has failed."),
        SharedTable => (TransportError.TopologyMismatch, "Nothing was declared."),
        PostgresErrorCodes.QueryCanceled => (TransportError.Timeout, "The statement took too long or was cancelled."),
        PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow =>
            (TransportError.Unavailable, "The server is starting or stopping."),
        PostgresErrorCodes.TooManyConnections => (TransportError.Unavailable, "Raise max_connections on the server or lower the number of connections here."),
        PostgresErrorCodes.ReadOnlySqlTransaction => (TransportError.Unavailable, "This server takes no writes; it is probably a standby."),
        PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.LockNotAvailable =>
            (TransportError.Unavailable, "Others work on the same rows; it will pass."),
        var state when state.StartsWith("08", StringComparison.Ordinal) => (TransportError.Unavailable, "The connection failed."),
        var state when state.StartsWith("53", StringComparison.Ordinal) => (TransportError.Unavailable, "The server is out of memory, disk or connections."),
        _ => (TransportError.Other, "See the inner exception."),
    };
}
