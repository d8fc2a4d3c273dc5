using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Decoding;
using Postrider.Core.DeadLetters;
using Postrider.Core.Diagnostics;
using Postrider.Core.Publishing;
using Postrider.Core.Retry;
using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <summary>Runs one delivery: scope, chain, outcome, settlement. Never throws.</summary>
internal sealed class DeliveryHandler(
    ConsumerQueue queue, string system, int maxBodyBytes, Decoders decoders, IServiceScopeFactory scopes, Telemetry telemetry, ExceptionReports reports,
    TimeProvider time, ILogger logger)
{
    /// <returns>How to settle it, or null if its lease was lost.</returns>
    public async ValueTask<Settlement?> HandleAsync(InFlight slot)
    {
        var delivery = slot.Delivery!;
        if (delivery.Redeliveries > 0)
        {
            telemetry.Redelivered(system, queue.Name);
            logger.Redelivered(delivery.Envelope.Id, queue.Name, delivery.Redeliveries);
        }

        var unreadable = Decode(slot, delivery);
        var operation = telemetry.BeginProcess(system, delivery.Queue, slot.Envelope);
        var outcome = unreadable ?? await RunAsync(slot, delivery, slot.Envelope).ConfigureAwait(false);
        telemetry.EndProcess(operation, queue.Name, outcome ?? Outcome.Ack);
        if (slot.LeaseLost)
        {
            return null;
        }

        // Cancelled by the drain: handed back untouched, no attempt burnt.
        return outcome is { } known ? ToSettlement(slot, known) : Settlement.Release(delivery);
    }

    /// <summary>For a message that was handed out too often to be run again.</summary>
    public Settlement GiveUp(InFlight slot) => ToSettlement(
        slot,
        Outcome.DeadLetterBecause(
            DeadLetterReason.RedeliveredTooOften,
            $"It was handed out {slot.Delivery!.Redeliveries + 1} times without an outcome; it probably ends the process that handles it."));

    /// <summary>Makes the envelope that the consumer is to see, or tells why there is none. Retries and dead letters keep the delivery's own.</summary>
    private Outcome? Decode(InFlight slot, Delivery delivery)
    {
        if (delivery.Defect is { } defect)
        {
            return Outcome.DeadLetterBecause(DeadLetterReason.Malformed, defect);
        }

        if (delivery.Envelope.Body.Length > maxBodyBytes)
        {
            return Outcome.DeadLetterBecause(
                DeadLetterReason.Malformed, $"The body has {delivery.Envelope.Body.Length} bytes; the limit is {maxBodyBytes}.");
        }

        try
        {
            slot.Envelope = decoders.Decode(delivery.Envelope);
            return null;
        }
        catch (MalformedMessageException e)
        {
            var outcome = Failures.ToOutcome(e, delivery.Envelope.Attempt, RetryPolicy.Default);
            reports.Add(new(e, "decode", queue.Name) { Envelope = delivery.Envelope with { Body = default }, Outcome = outcome.Kind });
            return outcome;
        }
    }

    /// <returns>The outcome, or null if the handler was cancelled by the drain.</returns>
    private async ValueTask<Outcome?> RunAsync(InFlight slot, Delivery delivery, Envelope envelope)
    {
        if (envelope.ExpiresAt is { } end && end <= time.GetUtcNow())
        {
            var description = string.Create(CultureInfo.InvariantCulture, $"It was of use until {end:O}.");
            return queue.OnExpired == ExpiredMessage.Discard
                ? Outcome.DiscardBecause(DeadLetterReason.Expired, description)
                : Outcome.DeadLetterBecause(DeadLetterReason.Expired, description);
        }

        if (queue.Find(envelope) is not { } consumer)
        {
            return Outcome.DeadLetterBecause(
                DeadLetterReason.UnknownType,
                envelope.Type is { } type
                    ? $"No consumer of the queue takes messages of the type '{type}'."
                    : "The message names no type, and the queue has consumers of several.");
        }

        var attempt = envelope.Attempt;
        Cause.Begin(envelope);
        try
        {
            var scope = scopes.CreateAsyncScope();
            await using (scope.ConfigureAwait(false))
            {
                var context = slot.Context;
                context.Delivery = delivery;
                context.Envelope = envelope;
                context.Time = time;
                context.Consumer = consumer.Name;
                context.Services = scope.ServiceProvider;
                context.CancellationToken = slot.CancellationToken;
                return Failures.Bounded(await consumer.Chain(context).ConfigureAwait(false), attempt, consumer.Retry);
            }
        }
        catch (Exception) when (slot.CancellationToken.IsCancellationRequested)
        {
            // Whatever it threw, it was cut off: that is no failure of its own.
            return null;
        }
        catch (Exception e)
        {
            var outcome = Failures.ToOutcome(e, attempt, consumer.Retry);
            reports.Add(new(e, "handle", queue.Name) { Consumer = consumer.Name, Envelope = envelope with { Body = default }, Outcome = outcome.Kind });
            return outcome;
        }
    }

    private Settlement ToSettlement(InFlight slot, Outcome outcome)
    {
        var delivery = slot.Delivery!;
        var attempt = delivery.Envelope.Attempt;
        switch (outcome.Kind)
        {
            case OutcomeKind.Retry:
                logger.Retrying(outcome.Exception, delivery.Envelope.Id, queue.Name, attempt, outcome.Delay);
                return Settlement.Retry(delivery, outcome.Delay);
            case OutcomeKind.DeadLetter:
                logger.DeadLettering(
                    outcome.Exception, delivery.Envelope.Id, queue.Name, attempt, outcome.Reason.ToWireName(), outcome.Description);
                var ran = outcome.Reason is not (DeadLetterReason.Expired or DeadLetterReason.RedeliveredTooOften);
                var info = DeadLetterInfos.Create(delivery, outcome, ran ? attempt : attempt - 1, time.GetUtcNow());
                if (queue.Find(slot.Envelope) is { OnFailed: { } onFailed } consumer)
                {
                    // Its services come when it is called, and the body is the transport's again by then.
                    var kept = slot.Envelope with { DeadLetter = info, Body = slot.Envelope.Body.ToArray() };
                    slot.Failure = new(onFailed, new(kept, info, outcome.Exception, consumer.Name, null!));
                }

                return Settlement.DeadLetter(delivery, info);
            default:
                if (outcome.IsDiscarded)
                {
                    logger.Discarding(outcome.Exception, delivery.Envelope.Id, queue.Name, attempt, outcome.Reason.ToWireName(), outcome.Description);
                    telemetry.Discarded(system, queue.Name, outcome.Reason);
                }

                return Settlement.Ack(delivery);
        }
    }
}
