using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.DeadLetters;
using Postrider.Core.Decoding;
using Postrider.Core.Diagnostics;
using Postrider.Core.FlowControl;
using Postrider.Core.Publishing;
using Postrider.Core.Requests;
using Postrider.Core.Retry;
using Postrider.Core.Serialization;
using Postrider.Core.Stats;
using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <summary>Runs one delivery: scope, chain, outcome, settlement. Never throws.</summary>
internal sealed class DeliveryHandler(
    ConsumerQueue queue, string transport, BrokerNames broker, int maxBodyBytes, BodyTransforms transforms, Decoders decoders, IServiceScopeFactory scopes, Telemetry telemetry,
    ExceptionReports reports, FaultReplies? faults, CircuitBreaker? circuit, TimeProvider time, ILogger logger)
{
    private readonly Responder _responder = new(transport, time, logger);
    private readonly StatsClock _clock = new(time);
    private readonly TransactionalHandler _transactional = new(queue, transport, broker, telemetry, time, logger);

    /// <summary>After the probe of a circuit breaker, before the next: waits until all know what it came to.</summary>
    public ValueTask ProbedAsync(CancellationToken cancellationToken) => circuit?.KnownAsync(cancellationToken) ?? default;

    /// <param name="slot">The delivery's place.</param>
    /// <param name="receiver">Where it came from; only transactional consumers need it.</param>
    /// <returns>How to settle it, or null if its lease was lost or it is settled already, in its transaction.</returns>
    public async ValueTask<Settlement?> HandleAsync(InFlight slot, IReceiver? receiver)
    {
        var delivery = slot.Delivery!;
        if (delivery.Redeliveries > 0)
        {
            telemetry.Redelivered(broker.System, queue.Name);
            logger.Redelivered(delivery.Envelope.Id, queue.Name, delivery.Redeliveries);
        }

        var started = _clock.Now();
        var outcome = await ReadAsync(slot, delivery).ConfigureAwait(false);
        var operation = telemetry.BeginProcess(broker, delivery, slot.Envelope);
        if (outcome is null && !slot.CancellationToken.IsCancellationRequested)
        {
            outcome = await RunAsync(slot, delivery, slot.Envelope, receiver).ConfigureAwait(false);
            if (outcome is { } ran)
            {
                circuit?.Record(ran);
            }
        }

        telemetry.EndProcess(operation, delivery, outcome);
        Count(slot, outcome, started);

        // Cancelled by the drain: handed back untouched, no attempt burnt.
        Settlement? settlement = slot.LeaseLost || slot.IsSettled ? null : outcome is { } known ? ToSettlement(slot, known) : Settlement.Release(delivery);
        slot.ForgetBody();
        return settlement;
    }

    /// <summary>The key by which messages are kept in order: what its consumer will see, except that of a foreign form whose body is encoded.</summary>
    public string? KeyOf(Delivery delivery)
    {
        try
        {
            return delivery.Defect is null && delivery.Envelope.ContentEncoding is null ? decoders.Decode(delivery.Envelope).Key : delivery.Envelope.Key;
        }
        catch (MalformedMessageException)
        {
            return delivery.Envelope.Key;
        }
    }

    /// <summary>For a message that was handed out too often to be run again.</summary>
    public Settlement GiveUp(InFlight slot)
    {
        var outcome = Outcome.DeadLetterBecause(
            DeadLetterReason.RedeliveredTooOften,
            $"It was handed out {slot.Delivery!.Redeliveries + 1} times without an outcome; it probably ends the process that handles it.");
        Count(slot, outcome, 0);
        return ToSettlement(slot, outcome);
    }

    private void Count(InFlight slot, in Outcome? outcome, long started)
    {
        if (slot.Counters is { } running)
        {
            slot.Counters = null;
            running.End(slot.Delivery!, slot.Attempt, outcome, slot.LeaseLost, _clock, started, _clock.Now());
        }
        else
        {
            queue.CountersOf(slot.Envelope).EndUnhandled(slot.Delivery!, outcome, slot.LeaseLost);
        }
    }

    /// <summary>Makes the envelope that the consumer is to see, or tells why there is none. Retries and dead letters keep the delivery's own.</summary>
    private ValueTask<Outcome?> ReadAsync(InFlight slot, Delivery delivery)
    {
        if (delivery.Defect is { } defect)
        {
            return new(Outcome.DeadLetterBecause(DeadLetterReason.Malformed, defect));
        }

        if (delivery.Envelope.Body.Length > maxBodyBytes)
        {
            return new(Outcome.DeadLetterBecause(
                DeadLetterReason.Malformed, $"The body has {delivery.Envelope.Body.Length} bytes; the limit is {maxBodyBytes}."));
        }

        return delivery.Envelope.ContentEncoding is null ? new(Decode(slot, delivery.Envelope)) : RestoreAsync(slot, delivery);
    }

    /// <summary>Undoes the content encoding first.</summary>
    private async ValueTask<Outcome?> RestoreAsync(InFlight slot, Delivery delivery)
    {
        Envelope restored;
        try
        {
            restored = await transforms.RestoreAsync(delivery.Envelope, slot.RentBody(maxBodyBytes), slot.CancellationToken).ConfigureAwait(false);
        }
        catch (Exception) when (slot.CancellationToken.IsCancellationRequested)
        {
            // Cut off: it is not run either.
            return null;
        }
        catch (Exception e)
        {
            return Failed(e, slot.Attempt, delivery.Envelope, queue.Find(delivery.Envelope), "decode");
        }

        return Decode(slot, restored);
    }

    private Outcome? Decode(InFlight slot, Envelope envelope)
    {
        try
        {
            slot.Envelope = decoders.Decode(envelope);
            return null;
        }
        catch (MalformedMessageException e)
        {
            return Failed(e, slot.Attempt, envelope, null, "decode");
        }
    }

    /// <returns>The outcome, or null if the handler was cancelled by the drain.</returns>
    private async ValueTask<Outcome?> RunAsync(InFlight slot, Delivery delivery, Envelope envelope, IReceiver? receiver)
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

        var attempt = slot.Attempt;
        slot.Counters = consumer.Counters;
        consumer.Counters.Begin();
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
                context.Responder = _responder;
                context.IsAnswered = false;
                context.Consumer = consumer.Name;
                context.Services = scope.ServiceProvider;
                context.CancellationToken = slot.CancellationToken;
                return consumer.Isolation is { } isolation
                    ? await _transactional.RunAsync(slot, consumer, isolation, (ITransactionalReceiver)receiver!).ConfigureAwait(false)
                    : Failures.Bounded(await consumer.Chain(context).ConfigureAwait(false), attempt, consumer.Retry);
            }
        }
        catch (Exception) when (slot.CancellationToken.IsCancellationRequested)
        {
            // Whatever it threw, it was cut off: that is no failure of its own.
            return null;
        }
        catch (Exception e)
        {
            return Failed(e, attempt, envelope, consumer, "handle");
        }
    }

    private Outcome Failed(Exception exception, int attempt, Envelope envelope, BuiltConsumer? consumer, string during)
    {
        var outcome = Failures.ToOutcome(exception, attempt, consumer?.Retry ?? RetryPolicy.Default);
        reports.Add(new(exception, during, queue.Name) { Consumer = consumer?.Name, Envelope = envelope with { Body = default }, Outcome = outcome.Kind });
        return outcome;
    }

    private Settlement ToSettlement(InFlight slot, Outcome outcome)
    {
        var delivery = slot.Delivery!;
        var attempt = slot.Attempt;
        switch (outcome.Kind)
        {
            case OutcomeKind.Retry when outcome.StopsQueue:
                logger.StoppingQueue(outcome.Exception, delivery.Envelope.Id, queue.Name, attempt, outcome.Description);
                slot.StopReason = $"The message {delivery.Envelope.Id} stopped the queue '{queue.Name}' at attempt {attempt}. {outcome.Description}";
                return Settlement.Release(delivery);
            case OutcomeKind.Retry:
                logger.Retrying(outcome.Exception, delivery.Envelope.Id, queue.Name, attempt, outcome.Delay);
                return Settlement.Retry(delivery, outcome.Delay);
            case OutcomeKind.DeadLetter:
                logger.DeadLettering(
                    outcome.Exception, delivery.Envelope.Id, queue.Name, attempt, outcome.Reason.ToWireName(), outcome.Description);
                var ran = outcome.Reason is not (DeadLetterReason.Expired or DeadLetterReason.RedeliveredTooOften);
                var info = DeadLetterInfos.Create(delivery, outcome, ran ? attempt : attempt - 1, time.GetUtcNow());
                slot.Fault = FaultOf(slot, info);
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
                    telemetry.Discarded(broker.System, queue.Name, outcome.Reason);
                    slot.Fault = FaultOf(slot, DeadLetterInfos.Create(delivery, outcome, attempt, time.GetUtcNow()));
                }

                return Settlement.Ack(delivery);
        }
    }

    /// <summary>What tells a requester that its request has failed, when that is settled; null if nobody waits.</summary>
    private Func<ValueTask>? FaultOf(InFlight slot, DeadLetterInfo info)
    {
        if (faults is null || !FaultReplies.AreWantedFor(slot.Envelope, info.Reason))
        {
            return null;
        }

        // The body is the transport's again by then.
        var request = slot.Envelope with { Body = default };
        return () => faults.SendAsync(request, info);
    }
}
