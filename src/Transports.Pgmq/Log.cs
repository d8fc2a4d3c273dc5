using Microsoft.Extensions.Logging;

namespace Postrider.Transports.Pgmq;

/// <summary>All that this assembly logs.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Prepared PostgreSQL at {Where}: schema 'postrider' from version {From} to {To}.")]
    public static partial void SchemaPrepared(this ILogger log, string where, int from, int to);

    [LoggerMessage(2, LogLevel.Information, "Installed PGMQ in PostgreSQL at {Where}: {What}.")]
    public static partial void PgmqInstalled(this ILogger log, string where, string what);

    [LoggerMessage(3, LogLevel.Warning, "Cannot listen for notifications from PostgreSQL at {Where}; messages are found by polling, up to a second later, until it works again.")]
    public static partial void ListeningFailed(this ILogger log, string where, Exception error);

    [LoggerMessage(4, LogLevel.Information, "Listening for notifications from PostgreSQL at {Where} again.")]
    public static partial void ListeningAgain(this ILogger log, string where);

    [LoggerMessage(5, LogLevel.Warning, "Looking through '{Queue}' on PostgreSQL at {Where} took {Milliseconds} ms more than claiming takes: dead rows are in the way, which cannot be vacuumed away while something older holds them. Most looks pass them by. Look for a long transaction (pg_stat_activity.backend_xmin), a prepared one (pg_prepared_xacts) or a replication slot (pg_replication_slots.xmin), and end it.")]
    public static partial void DeadRows(this ILogger log, string queue, string where, long milliseconds);
}
