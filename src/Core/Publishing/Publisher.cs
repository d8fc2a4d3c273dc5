using System.Runtime.CompilerServices;
using Postrider.Core.Diagnostics;
using Postrider.Core.Serialization;
using Postrider.Core.Supervision;
using Postrider.Core.Transport;
using Postrider.Pooling;

namespace Postrider.Core.Publishing;

/// <summary>
/// The end of the publish chain: checks, serializes, stamps, and hands the message to the transport until it is stored or the time is over.
/// </summary>
internal sealed class Publisher(
    ITransport transport, Serializers serializers, MessagingOptions options, MessagingStatus status, Telemetry telemetry, TimeProvider time)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<PublishReceipt> PublishAsync(PublishContext context)
    {
        context.CancellationToken.ThrowIfCancellationRequested();
        var now = time.GetUtcNow();
        var id = context.Options.MessageId ?? MessageIds.New(now);
        if (WhyRefused(context) is { } why)
        {
            throw Refused(context, id, why);
        }

        var operation = PublishOperation.Take(options.MaxBodyBytes, time);
        var token = operation.Begin(options.PublishTimeout, context.CancellationToken);
        var attempt = telemetry.BeginPublish(transport.Capabilities.System, context, id, operation);
        var outcome = PublishStatus.NotSent;
        Exception? error = null;
        try
        {
            Serialize(context, id, now, operation);
            (outcome, error) = await StoreAsync(context, id, operation, token).ConfigureAwait(false);
        }
        catch (BodyTooLargeException e)
        {
            (outcome, error) = (PublishStatus.Rejected, e);
        }
        finally
        {
            telemetry.EndPublish(attempt, context, outcome, error);
            if (outcome is PublishStatus.NotSent or PublishStatus.Unknown)
            {
                // The transport may be about to look at it once more.
                operation.Dispose();
            }
            else
            {
                operation.Return();
            }
        }

        return outcome switch
        {
            PublishStatus.Stored or PublishStatus.Duplicate => new(id, outcome),
            PublishStatus.Unroutable when context.Destination.Kind == DestinationKind.Topic && !context.Options.RequireSubscribers => new(id, outcome),
            _ => throw Failure(context, id, outcome, error),
        };
    }

    private string? WhyRefused(PublishContext context)
    {
        var wanted = context.Options;
        var name = context.Destination.Name;
        return (context.Destination.Kind == DestinationKind.Topic ? Names.WhyIllegalTopic(name) : Names.WhyIllegalQueue(name))
            ?? EnvelopeLimits.WhyRefused("message id", wanted.MessageId, options)
            ?? EnvelopeLimits.WhyRefused("correlation id", wanted.CorrelationId, options)
            ?? EnvelopeLimits.WhyRefused("key", wanted.Key, options)
            ?? EnvelopeLimits.WhyRefused(wanted.Headers, options)
            ?? (wanted.Delay < TimeSpan.Zero ? $"The delay {wanted.Delay} is negative." : null)
            ?? (wanted.Topic is not null && context.Destination.Kind == DestinationKind.Queue ? "A send has no topic." : null);
    }

    private void Serialize(PublishContext context, string id, DateTimeOffset now, PublishOperation operation)
    {
        context.Type.Serialize(serializers.Default, operation.Body, context.Message);
        var wanted = context.Options;
        operation.Envelope.Become(new()
        {
            Id = id,
            Type = context.MessageType,
            ContentType = serializers.Default.ContentType,
            Body = operation.Body.Written,
            SentAt = now,
            Topic = context.Destination.Kind == DestinationKind.Topic ? context.Destination.Name : null,
            Source = options.Application,
            Key = wanted.Key,
            CorrelationId = wanted.CorrelationId,
            Attempt = 1,
            TraceParent = operation.TraceParent,
            TraceState = operation.TraceState,
            Baggage = operation.Baggage,
            Headers = wanted.Headers ?? Envelope.NoHeaders,
        });
        operation.Message[0] = new(context.Destination, operation.Envelope, wanted.Delay);
    }

    /// <summary>Tries until there is an answer. Once a try ended unknown, the whole publish can no longer end as not sent.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    private async ValueTask<(PublishStatus Outcome, Exception? Error)> StoreAsync(
        PublishContext context, string id, PublishOperation operation, CancellationToken token)
    {
        var worst = PublishStatus.NotSent;
        Exception? lastError = null;
        var backoff = new Backoff(FirstPause, LongestPause);
        try
        {
            await status.Ready.WaitAsync(token).ConfigureAwait(false);
            while (true)
            {
                await transport.PublishAsync(operation.Message, operation.Result, token).ConfigureAwait(false);
                var result = operation.Result[0];
                if (result.Status is not (PublishStatus.NotSent or PublishStatus.Unknown))
                {
                    return (result.Status, result.Error);
                }

                worst = result.Status == PublishStatus.Unknown ? PublishStatus.Unknown : worst;
                lastError = result.Error ?? lastError;
                if (token.IsCancellationRequested || result.Error is TransportException { IsTransient: false })
                {
                    break;
                }

                await Task.Delay(backoff.Next(), time, token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (token.IsCancellationRequested)
        {
            // The caller's cancellation, or the time is over: what is known so far counts.
        }
        catch (TransportException e)
        {
            lastError = e;
        }
        catch (ObjectDisposedException e)
        {
            lastError = e;
        }

        context.CancellationToken.ThrowIfCancellationRequested();
        return (worst, lastError ?? status.Error);
    }

    private PublishException Failure(PublishContext context, string id, PublishStatus outcome, Exception? error) => outcome switch
    {
        PublishStatus.Unroutable => new(
            context.Destination.Kind == DestinationKind.Queue
                ? $"The message {id} was not sent: the {context.Destination} does not exist. Start its consumer once, or correct the name."
                : $"The message {id} was not published: no queue is bound to the {context.Destination}, and subscribers are required.",
            id, outcome, error),
        PublishStatus.Rejected => Refused(context, id, error?.Message ?? "The broker refuses it.", error),
        PublishStatus.NotSent => new(
            $"The message {id} for the {context.Destination} was not sent within {options.PublishTimeout}: {Why(error)} It is safe to publish it again.",
            id, outcome, error),
        _ => new(
            $"The message {id} for the {context.Destination} was handed over, but not confirmed within {options.PublishTimeout}: {Why(error)} "
            + "It may or may not be stored.",
            id, outcome, error),
    };

    private string Why(Exception? error) => error?.Message ?? (status.IsStarted
        ? "the broker has not been reached."
        : "the messaging host has not been started (start the application's host first).");

    private static PublishException Refused(PublishContext context, string id, string why, Exception? error = null) =>
        new($"The message {id} for the {context.Destination} is refused: {why}", id, PublishStatus.Rejected, error);
}
