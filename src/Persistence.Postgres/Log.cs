using Microsoft.Extensions.Logging;

namespace Postrider.Persistence.Postgres;

/// <summary>All that this assembly logs.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Prepared PostgreSQL at {Where}: the state store from version {From} to {To}.")]
    public static partial void StatePrepared(this ILogger log, string where, int from, int to);

    [LoggerMessage(2, LogLevel.Warning, "Cannot listen for changes of the state store on PostgreSQL at {Where}; watches look every {Milliseconds} ms until it works again.")]
    public static partial void ListeningFailed(this ILogger log, string where, double milliseconds, Exception error);

    [LoggerMessage(3, LogLevel.Information, "Listening for changes of the state store on PostgreSQL at {Where} again.")]
    public static partial void ListeningAgain(this ILogger log, string where);
}
