using System.Net.Sockets;
using Npgsql;

namespace Postrider.Persistence.Postgres;

/// <summary>What the errors of Npgsql and of the server mean.</summary>
internal static class PostgresErrors
{
    /// <summary>What kind of error it is, and what to do.</summary>
    public static (TransportError Reason, string Advice) Explain(Exception error) => error switch
    {
        PostgresException server => OfState(server.SqlState),
        NpgsqlOperationInProgressException => (TransportError.Other, "Await each command on a connection before the next."),
        OperationCanceledException => (TransportError.Timeout, "It was cancelled, or took too long."),
        NpgsqlException { InnerException: TimeoutException } or TimeoutException =>
            (TransportError.Timeout, "No connection came free, or no answer came, in time. Raise the number of connections or the time-out if this persists."),
        NpgsqlException or SocketException or IOException => (TransportError.Unavailable, "Is the server running and reachable?"),
        _ => (TransportError.Other, "See the inner exception."),
    };

    /// <summary>The sentence that everything is told in. It has the server's words, but not its details, which may hold values.</summary>
    /// <param name="error">What was thrown.</param>
    /// <param name="doing">What was tried, to follow "Cannot".</param>
    /// <param name="where">Host, port and database.</param>
    /// <param name="advice">What to do.</param>
    public static string Tell(Exception error, string doing, string where, string advice)
    {
        var what = error is PostgresException { SqlState: var state, MessageText: var text } ? $"{text} ({state})" : error.Message;
        return $"Cannot {doing} on PostgreSQL at {where}: {what.TrimEnd('.')}. {advice}";
    }

    /// <summary>Why the server's certificate was refused, if that is what it was.</summary>
    public static string TellRefused(string why, string doing, string where) =>
        $"Cannot {doing} on PostgreSQL at {where}: its certificate is refused, as {why}. See TlsOptions, or renew the certificate.";

    /// <summary>Whether the connection, and perhaps others of its pool, can no longer be used.</summary>
    public static bool IsBroken(Exception error) => error switch
    {
        PostgresException server => server.SqlState is PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown
            or PostgresErrorCodes.CannotConnectNow or IdleSessionTimeout,
        NpgsqlException { InnerException: TimeoutException } or NpgsqlOperationInProgressException => false,
        NpgsqlException or SocketException or IOException => true,
        _ => false,
    };

    /// <summary>Whether our own schema has vanished, as when the database was made anew. Nothing was done then.</summary>
    public static bool LacksSchema(Exception error) =>
        error is PostgresException { SqlState: PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.InvalidSchemaName or PostgresErrorCodes.UndefinedTable };

    private const string IdleSessionTimeout = "57P05";

    private static (TransportError Reason, string Advice) OfState(string state) => state switch
    {
        PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification =>
            (TransportError.CredentialsRefused, "Check user and password, and the server's pg_hba.conf."),
        PostgresErrorCodes.InsufficientPrivilege => (TransportError.CredentialsRefused, "Grant the role what it lacks."),
        PostgresErrorCodes.InvalidCatalogName => (TransportError.SchemaMismatch, "Create the database first (CREATE DATABASE), or correct the connection string."),
        PostgresErrorCodes.InFailedSqlTransaction => (TransportError.Other, "An earlier statement of the transaction has failed."),
        PostgresErrorCodes.QueryCanceled => (TransportError.Timeout, "The statement took too long or was cancelled."),
        PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow or IdleSessionTimeout =>
            (TransportError.Unavailable, "The server is starting or stopping, or has ended the session."),
        PostgresErrorCodes.TooManyConnections => (TransportError.Unavailable, "Raise max_connections on the server or lower the number of connections here."),
        PostgresErrorCodes.ReadOnlySqlTransaction => (TransportError.Unavailable, "This server takes no writes; it is probably a standby."),
        PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.LockNotAvailable =>
            (TransportError.Unavailable, "Others work on the same rows; it will pass."),
        _ when state.StartsWith("08", StringComparison.Ordinal) => (TransportError.Unavailable, "The connection failed."),
        _ when state.StartsWith("53", StringComparison.Ordinal) => (TransportError.Unavailable, "The server is out of memory, disk or connections."),
        _ => (TransportError.Other, "See the inner exception."),
    };
}
