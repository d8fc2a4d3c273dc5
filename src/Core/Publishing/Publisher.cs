using System.Runtime.CompilerServices;
using System.Text;
using Postrider.Core.Diagnostics;
using Postrider.Core.Serialization;
using Postrider.Core.Stats;
using Postrider.Core.Supervision;
using Postrider.Core.Transport;
using Postrider.Pooling;

namespace Postrider.Core.Publishing;

/// <summary>
/// The end of the publish chain: checks, serializes, stamps, and hands the message to the transport until it is stored or the time is over.
/// </summary>
internal sealed class Publisher(
    ITransport transport, Serializers serializers, BodyTransforms transforms, MessagingOptions options, TransportStatus status, Telemetry telemetry, TimeProvider time)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    private readonly BrokerNames _broker = new(transport);
    private readonly TransactionalPublisher _transactional = new(transport, status, time);

    public PublishCounters Counters { get; } = new();

    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder<>))]
    public async ValueTask<PublishReceipt> PublishAsync(PublishContext context)
    {
        context.CancellationToken.ThrowIfCancellationRequested();
        var now = time.GetUtcNow();
        var id = context.Options.MessageId ?? MessageIds.New(now);
        var transaction = TransactionalPublisher.Of(context.Options, out var handler);
        if ((WhyRefused(context) ?? (transaction is null ? null : _transactional.WhyRefused(handler))) is { } why)
        {
            Counters.Add(context.Type, PublishStatus.Rejected);
            throw Refused(context, id, why);
        }

        var (correlationId, causationId) = (context.Options.CorrelationId, context.Options.CausationId);
        if (Cause.Current is { } cause)
        {
            correlationId ??= CarriedOn(cause.CorrelationId) ?? CarriedOn(cause.Id);
            causationId ??= CarriedOn(cause.Id);
        }

        var operation = PublishOperation.Take(options.MaxBodyBytes, time);
        var token = operation.Begin(options.PublishTimeout, context.CancellationToken);
        var attempt = telemetry.BeginPublish(_broker, context, id, correlationId, operation);
        var outcome = PublishStatus.NotSent;
        Exception? error = null;
        try
        {
            Serialize(context, id, correlationId, causationId, now, operation);
            telemetry.Serialized(attempt, operation.Body.Current.Written.Length);
            if (transforms.Any)
            {
                await transforms.TransformAsync(operation.Envelope, operation.Body, token).ConfigureAwait(false);
            }

            (outcome, error) = transaction is null
                ? await StoreAsync(context, id, operation, token).ConfigureAwait(false)
                : await _transactional.StoreAsync(transaction, handler, context, operation, token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is BodyTooLargeException or EncoderFallbackException)
        {
            (outcome, error) = (PublishStatus.Rejected, e);
        }
        catch (OperationCanceledException e) when (token.IsCancellationRequested && !context.CancellationToken.IsCancellationRequested)
        {
            // A transform, a key of which did not come in time.
            error = e;
        }
        finally
        {
            telemetry.EndPublish(attempt, context, outcome, error);
            Counters.Add(context.Type, outcome);
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
            PublishStatus.Unroutable when context.Destination.Kind == DestinationKind.Topic && context.Options.RequireSubscribers != true => new(id, outcome),
            PublishStatus.NotSent when transaction is not null => throw NotStoredIn(context, id, error),
            _ => throw Failure(context, id, outcome, error),
        };
    }

    /// <summary>What a publish comes to that is switched off.</summary>
    public PublishReceipt Suppress(PublishContext context)
    {
        context.CancellationToken.ThrowIfCancellationRequested();
        telemetry.Suppressed(transport.Capabilities.System, context);
        Counters.Add(context.Type, PublishStatus.Suppressed);
        return new(context.Options.MessageId ?? MessageIds.New(time.GetUtcNow()), PublishStatus.Suppressed);
    }

    private string? WhyRefused(PublishContext context)
    {
        var wanted = context.Options;
        var name = context.Destination.Name;
        return (wanted.Transport is { } other && !status.Name.Equals(other, StringComparison.OrdinalIgnoreCase)
                ? $"This host does not use a transport '{other}'. Name it with UseAlso, or correct PublishOptions.Transport." : null)
            ?? (name.Length == 0 && context.Destination.Kind == DestinationKind.Topic ? "Text and bytes have no topic of their own: set PublishOptions.Topic." : null)
            ?? (context.Destination.Kind == DestinationKind.Topic ? Names.WhyIllegalTopic(name) : Names.WhyIllegalQueue(name))
            ?? EnvelopeLimits.WhyRefused(wanted, options)
            ?? context.Type.WhyRefused(serializers, wanted)
            ?? ((wanted.Delay > TimeSpan.Zero || wanted.NotBefore is not null) && Names.IsReplyQueue(name) ? "An answer cannot be delayed." : null)
            ?? (wanted.Topic is not null && context.Destination.Kind == DestinationKind.Queue ? "A send has no topic." : null);
    }

    /// <summary>What could not be published, which only foreign messages have, is not carried on.</summary>
    private string? CarriedOn(string? id) => EnvelopeLimits.WhyRefused("id", id, options) is null ? id : null;

    private void Serialize(PublishContext context, string id, string? correlationId, string? causationId, DateTimeOffset now, PublishOperation operation)
    {
        var wanted = context.Options;
        var contentType = context.Type.Write(serializers, wanted.ContentType, operation.Body.Current, context.Message);
        var delay = DelayOf(wanted, now);
        operation.Envelope.Become(new()
        {
            Id = id,
            Type = context.MessageType,
            SchemaVersion = context.Type.Version,
            ContentType = contentType,
            Body = operation.Body.Current.Written,
            SentAt = now,
            OccurredAt = wanted.OccurredAt,
            ExpiresAt = context.ExpiresAt ?? (wanted.TimeToLive is { } life ? End(now, delay, life) : null),
            Topic = context.Destination.Kind == DestinationKind.Topic ? context.Destination.Name : null,
            Source = options.Application,
            Key = wanted.Key,
            Subject = wanted.Subject,
            Priority = wanted.Priority,
            CorrelationId = correlationId,
            CausationId = causationId,
            ReplyTo = wanted.ReplyTo,
            Attempt = 1,
            TraceParent = operation.TraceParent,
            TraceState = operation.TraceState,
            Baggage = operation.Baggage,
            Headers = wanted.Headers ?? Envelope.NoHeaders,
        });
        operation.Message[0] = new(context.Destination, operation.Envelope, delay);
    }

    public static TimeSpan DelayOf(PublishOptions wanted, DateTimeOffset now) =>
        wanted.NotBefore is not { } due ? wanted.Delay ?? TimeSpan.Zero : due > now ? due - now : TimeSpan.Zero;

    /// <summary>Null if that is beyond all dates.</summary>
    private static DateTimeOffset? End(DateTimeOffset now, TimeSpan delay, TimeSpan life)
    {
        var left = DateTimeOffset.MaxValue - now;
        return delay < left && life < left - delay ? now + delay + life : null;
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
                if (context.Options.NotBefore is not null)
                {
                    operation.Message[0] = operation.Message[0] with { Delay = DelayOf(context.Options, time.GetUtcNow()) };
                }

                await transport.PublishAsync(operation.Message, operation.Result, token).ConfigureAwait(false);
                var result = operation.Result[0];
                if (result.Status is not (PublishStatus.NotSent or PublishStatus.Unknown))
                {
                    if (status.PublishError is not null)
                    {
                        status.PublishError = null;
                    }

                    return (result.Status, result.Error);
                }

                worst = result.Status == PublishStatus.Unknown ? PublishStatus.Unknown : worst;
                lastError = result.Error ?? lastError;
                if (result.Error is TransportException { IsTransient: true } away)
                {
                    status.PublishError = away;
                }

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

    private PublishException NotStoredIn(PublishContext context, string id, Exception? error) => new(
        $"The message {id} for the {context.Destination} was not stored in the transaction: {Why(error)} "
        + "Roll back, to a savepoint before it or altogether; then it is safe to publish it again.",
        id, PublishStatus.NotSent, error);

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
