using Microsoft.Extensions.Logging;

namespace Postrider.Transports.Nats;

/// <summary>All that this assembly logs.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Connected to {Purpose} on NATS at {Where}, server {Version}.")]
    public static partial void Connected(this ILogger log, string purpose, string where, string version);

    [LoggerMessage(2, LogLevel.Debug, "Closing a lost connection to NATS at {Where} failed.")]
    public static partial void CloseFailed(this ILogger log, string where, Exception error);

    [LoggerMessage(3, LogLevel.Warning,
        "NATS {Version} at {Where} says that a message is stored before it is on the disk, unless it runs with 'sync_interval: always'{Hint}. "
        + "A power cut may lose what was stored last; the end of its process does not. If it does, set NatsOptions.ServerSyncsAlways.")]
    public static partial void ServerMaySyncLate(this ILogger log, string version, string where, string hint);

    [LoggerMessage(4, LogLevel.Warning, "Delayed messages of '{Queue}' cannot be moved on at present ({Reason}); trying again.")]
    public static partial void ParkedFailed(this ILogger log, string queue, string reason);

    [LoggerMessage(5, LogLevel.Error, "A message of '{Queue}' could not be read.")]
    public static partial void Unreadable(this ILogger log, string queue, Exception error);

    [LoggerMessage(6, LogLevel.Information, "Created on NATS at {Where}: {What}.")]
    public static partial void Created(this ILogger log, string where, string what);

    [LoggerMessage(7, LogLevel.Debug, "Cleaning the bucket '{Bucket}' on NATS failed.")]
    public static partial void SweepFailed(this ILogger log, string bucket, Exception error);
}
