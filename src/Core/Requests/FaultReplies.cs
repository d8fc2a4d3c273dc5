using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.Publishing;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider.Core.Requests;

/// <summary>
/// Tells whoever waits for an answer that none will come. No middleware and no switch keeps that back; what cannot be told is logged and counted, and the requester
/// learns it by its time.
/// </summary>
internal sealed class FaultReplies(Publisher publisher, string transport, string system, Telemetry telemetry, TimeProvider time, ILogger logger)
{
    /// <summary>Whether a failed message leaves somebody waiting. A fault is answered by none, and one that expired has been given up.</summary>
    public static bool AreWantedFor(Envelope request, DeadLetterReason reason) =>
        request.ReplyTo is not null && request.Type != FaultReply.TypeName && reason != DeadLetterReason.Expired;

    /// <summary>Never throws, and takes no longer than a publish.</summary>
    public async ValueTask SendAsync(Envelope request, DeadLetterInfo info)
    {
        try
        {
            var left = request.ExpiresAt - time.GetUtcNow();
            if (left <= TimeSpan.Zero)
            {
                return;
            }

            var options = new PublishOptions
            {
                Transport = transport,
                MessageType = FaultReply.TypeName,
                ContentType = "application/json",
                CausationId = request.Id,
                CorrelationId = request.CorrelationId,
                TimeToLive = left,
                JoinTransaction = false,
            };
            await publisher.PublishAsync(new(
                FaultReply.Write(info), MessageType<ReadOnlyMemory<byte>>.Instance, Destination.Queue(request.ReplyTo!), options, CancellationToken.None)).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            telemetry.FaultLost(system, info.Queue);
            logger.FaultNotSent(request.Id, info.Queue, e.Message);
        }
    }
}
