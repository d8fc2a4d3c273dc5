using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;

namespace Postrider;

/// <summary>A log line for each message.</summary>
public static class MessageLogging
{
    /// <summary>
    /// Logs a line, of the category <c>Postrider.Messages</c>, for each message that was handled or published: who, which, how long, and what came of it. Whatever
    /// is logged meanwhile has a scope with message id, queue, consumer, attempt and correlation id. Bodies and headers are never logged.
    /// </summary>
    /// <remarks>What it measures lies inside the middlewares registered before it. Called again it only changes the level.</remarks>
    /// <param name="messaging">The registration.</param>
    /// <param name="level">The level of the lines. Failures have it too: the Core logs retries and dead letters by itself, as warnings and errors.</param>
    public static MessagingBuilder UseLogging(this MessagingBuilder messaging, LogLevel level = LogLevel.Information)
    {
        ArgumentNullException.ThrowIfNull(messaging);
        foreach (var service in messaging.Services)
        {
            if (service.ServiceType == typeof(MessageLogLevel))
            {
                ((MessageLogLevel)service.ImplementationInstance!).Level = level;
                return messaging;
            }
        }

        messaging.Services.AddSingleton(new MessageLogLevel { Level = level }).AddSingleton<MessageLog>();
        return messaging.UsePublish<MessageLog>().UseConsume<MessageLog>();
    }
}

/// <summary>The level, until the host is built.</summary>
internal sealed class MessageLogLevel
{
    public LogLevel Level { get; set; }
}

internal sealed class MessageLog(ILoggerFactory loggers, MessageLogLevel chosen, TimeProvider time) : IPublishMiddleware, IConsumeMiddleware
{
    private readonly SafeLogger _logger = new(loggers.CreateLogger("Postrider.Messages"));
    private readonly LogLevel _level = chosen.Level;

    public async ValueTask<Outcome> ConsumeAsync(ConsumeContext context, ConsumeDelegate rest)
    {
        using var scope = _logger.BeginHandling(context);
        var began = time.GetTimestamp();
        try
        {
            var outcome = await rest(context).ConfigureAwait(false);
            var took = time.GetElapsedTime(began);
            _logger.Handled(_level, context.Consumer, context.Queue, context.MessageId, context.MessageType, context.Attempt, took, outcome.Kind);
            return outcome;
        }
        catch (Exception e)
        {
            var (took, what) = (time.GetElapsedTime(began), e.GetType().Name);
            _logger.HandlingFailed(_level, context.Consumer, context.Queue, what, context.MessageId, context.MessageType, context.Attempt, took);
            throw;
        }
    }

    public ValueTask<PublishReceipt> PublishAsync(PublishContext context, PublishDelegate rest) =>
        _logger.IsEnabled(_level) ? LogAsync(context, rest) : rest(context);

    private async ValueTask<PublishReceipt> LogAsync(PublishContext context, PublishDelegate rest)
    {
        var began = time.GetTimestamp();
        try
        {
            var receipt = await rest(context).ConfigureAwait(false);
            var took = time.GetElapsedTime(began);
            _logger.Published(_level, receipt.MessageId, context.MessageType, context.Destination, took, receipt.Status);
            return receipt;
        }
        catch (Exception e)
        {
            var took = time.GetElapsedTime(began);
            var (id, why) = e is PublishException refused ? (refused.MessageId, refused.Status.ToString()) : (context.Options.MessageId, e.GetType().Name);
            _logger.PublishingFailed(_level, id, context.MessageType, context.Destination, took, why);
            throw;
        }
    }
}
