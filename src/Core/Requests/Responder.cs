using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.Transport;

namespace Postrider.Core.Requests;

/// <summary>Answers requests of one transport: an ordinary send, back on the same transport. An address is foreign input: that nobody is there is no failure of the handler.</summary>
internal sealed class Responder(string transport, TimeProvider time, ILogger logger)
{
    public async ValueTask<bool> RespondAsync<TResponse>(
        ConsumeContext context, TResponse answer, PublishOptions? options, CancellationToken cancellationToken)
        where TResponse : notnull
    {
        var request = context.Envelope;
        if (request.ReplyTo is not { } replyTo)
        {
            return false;
        }

        var left = request.ExpiresAt - time.GetUtcNow();
        if (left <= TimeSpan.Zero || Names.WhyIllegalQueue(replyTo) is not null)
        {
            logger.NotAnswered(request.Id, context.Queue, left <= TimeSpan.Zero ? "Its time is over." : Names.WhyIllegalQueue(replyTo)!);
            return false;
        }

        options ??= new();
        try
        {
            await context.Services.GetRequiredService<IMessageBus>().SendAsync(
                replyTo,
                answer,
                options with
                {
                    Transport = transport,
                    CausationId = request.Id,
                    CorrelationId = options.CorrelationId ?? request.CorrelationId ?? request.Id,
                    TimeToLive = options.TimeToLive ?? left,
                },
                cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (PublishException e) when (e.Status == PublishStatus.Unroutable)
        {
            logger.NotAnswered(request.Id, context.Queue, e.Message);
            return false;
        }
    }
}
