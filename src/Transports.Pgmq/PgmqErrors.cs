using Npgsql;
using Postrider.Persistence.Postgres;

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
            PostgresException server when OfQueues(server) is { } own => own,
            ObjectDisposedException => (TransportError.Other, "The transport has been disposed of."),
            _ => PostgresErrors.Explain(error),
        };
        return new TransportException(PostgresErrors.Tell(error, doing, where, advice), reason, error);
    }

    /// <summary>Whether the server refused these values, so that trying again is useless.</summary>
    public static bool ConcernsData(PostgresException error) =>
        error.SqlState.StartsWith("22", StringComparison.Ordinal)
        || error.SqlState.StartsWith("23", StringComparison.Ordinal)
        || error.SqlState.StartsWith("54", StringComparison.Ordinal);

    /// <summary>What means something else here than in general.</summary>
    private static (TransportError Reason, string Advice)? OfQueues(PostgresException error) => error.SqlState switch
    {
        PostgresErrorCodes.InsufficientPrivilege =>
            (TransportError.CredentialsRefused, "Grant the role what it lacks: usage on the schemas pgmq and postrider and all on their tables, sequences and functions."),
        PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName => (TransportError.QueueNotFound, "Declare the queue first."),
        PostgresErrorCodes.UndefinedFunction => (TransportError.SchemaMismatch, "The schema is not complete; start once with CreateSchema = true."),
        SharedTable => (TransportError.TopologyMismatch, "Nothing was declared."),
        _ => null,
    };
}
