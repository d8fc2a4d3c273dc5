using Microsoft.Extensions.Logging;

namespace Postrider.Dashboard;

/// <summary>Every log line of the pages: who did what. Bodies are never in them. Event ids stay.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "'{User}' begins on the page of dead letters: {What}.")]
    public static partial void Began(this ILogger logger, string user, string what);

    [LoggerMessage(2, LogLevel.Information, "Done for '{User}' on the page of dead letters: {What}. {Done} done, {Gone} were gone already.")]
    public static partial void Ended(this ILogger logger, string user, string what, long done, long gone);

    [LoggerMessage(3, LogLevel.Warning, "Ended early for '{User}' on the page of dead letters: {What}. {Done} done, {Gone} were gone already; then: {Reason}")]
    public static partial void EndedEarly(this ILogger logger, Exception? exception, string user, string what, long done, long gone, string reason);

    [LoggerMessage(4, LogLevel.Error, "The page of dead letters was asked for and refused: {Reason}")]
    public static partial void Refused(this ILogger logger, string reason);

    [LoggerMessage(5, LogLevel.Warning, "The page of dead letters could not be shown: {Reason}")]
    public static partial void Failed(this ILogger logger, string reason);
}
