using Postrider.Core.Transport;

namespace Postrider.Testing;

/// <summary>What can go wrong in settling.</summary>
internal sealed class FaultySettling(ITransport transport, IReceiver inner, FaultSwitch fault)
{
    /// <summary>Deliveries are about to be handed out.</summary>
    public async ValueTask HandOutAsync(IReadOnlyList<Delivery> deliveries)
    {
        foreach (var delivery in deliveries)
        {
            fault.Holders[delivery.Envelope.Id] = (inner, delivery);
            if (fault.Hits(Fault.AcksEarly))
            {
                await TellAsync(Settlement.Ack(delivery)).ConfigureAwait(false);
            }
        }
    }

    public async ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        if (fault.Hits(Fault.ThrowsOnEmptyBatch, batch.IsEmpty))
        {
            throw new ArgumentException("The batch is empty.", nameof(batch));
        }

        var original = batch.ToArray().Select(FaultyContents.Unwrap).ToArray();
        if (fault.Fault is Fault.None or Fault.FailsWholeSettlement or Fault.ShufflesResults or Fault.LiesAboutSettling)
        {
            await inner.SettleAsync(original, results, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            for (var i = 0; i < original.Length; i++)
            {
                var result = await SettleOneAsync(original[i]).ConfigureAwait(false);
                results.Span[i] = result;
            }
        }

        Report(results.Span);
    }

    private async Task<SettleResult> SettleOneAsync(Settlement settlement)
    {
        var (delivery, kind) = (settlement.Delivery, settlement.Kind);
        var (id, queue) = (delivery.Envelope.Id, Destination.Queue(delivery.Queue));
        if (fault.Fault == Fault.AcksEarly
            || fault.Hits(Fault.ForgetsAcks, kind == SettlementKind.Ack)
            || fault.Hits(Fault.LosesReleases, kind == SettlementKind.Release)
            || fault.StrikesFirstOfHundred(Fault.LosesSettlements))
        {
            return SettleResult.Settled;
        }

        if (fault.Hits(Fault.DropsRetries, kind == SettlementKind.Retry)
            || fault.Hits(Fault.DropsDeadLetters, kind == SettlementKind.DeadLetter))
        {
            return await TellAsync(Settlement.Ack(delivery)).ConfigureAwait(false);
        }

        if (kind == SettlementKind.Retry && settlement.Delay > TimeSpan.Zero)
        {
            fault.Delayed[delivery.Queue] = true;
            settlement = fault.Hits(Fault.IgnoresDelay) ? Settlement.Retry(delivery, TimeSpan.Zero)
                : fault.Hits(Fault.DelaysTooLong) ? Settlement.Retry(delivery, settlement.Delay + FaultSwitch.TooLong) : settlement;
        }

        if (delivery.Envelope.Topic is { } topic && fault.Hits(Fault.RetriesEverywhere, kind == SettlementKind.Retry))
        {
            await PublishAsync(Destination.Topic(topic), delivery.Envelope with { Attempt = delivery.Envelope.Attempt + 1 }).ConfigureAwait(false);
            return await TellAsync(Settlement.Ack(delivery)).ConfigureAwait(false);
        }

        if (fault.Hits(Fault.ReturnForgetsPriority, kind is SettlementKind.Retry or SettlementKind.Release))
        {
            var envelope = delivery.Envelope with { Priority = null, Attempt = delivery.Envelope.Attempt + (kind == SettlementKind.Retry ? 1 : 0) };
            await PublishAsync(queue, envelope, settlement.Delay).ConfigureAwait(false);
            return await TellAsync(Settlement.Ack(delivery)).ConfigureAwait(false);
        }

        var result = await TellAsync(settlement).ConfigureAwait(false);
        Count(settlement, result);
        if (result.Status == SettleStatus.Lost && fault.Hits(Fault.NoFencing) && fault.Holders.TryGetValue(id, out var holder))
        {
            return await TellAsync(holder.Receiver, Replaced(settlement, holder.Delivery)).ConfigureAwait(false);
        }

        if (fault.Hits(Fault.SettlesTwice, result.Status == SettleStatus.Lost))
        {
            await (kind is SettlementKind.Ack ? Task.CompletedTask : PublishAsync(queue, delivery.Envelope)).ConfigureAwait(false);
            return SettleResult.Settled;
        }

        if (kind == SettlementKind.DeadLetter)
        {
            return await DeadLetteredAsync(settlement, result).ConfigureAwait(false);
        }

        return result;
    }

    private async Task<SettleResult> DeadLetteredAsync(Settlement settlement, SettleResult result)
    {
        var delivery = settlement.Delivery;
        if (fault.Hits(Fault.DropsDeadLettersWhenUnavailable, result.Status == SettleStatus.Failed))
        {
            return await TellAsync(Settlement.Ack(delivery)).ConfigureAwait(false);
        }

        if (fault.Hits(Fault.DeadLetterKeepsOriginal))
        {
            await PublishAsync(Destination.Queue(delivery.Queue), delivery.Envelope).ConfigureAwait(false);
        }

        foreach (var other in fault.Router.Queues.Where(name => name != delivery.Queue && fault.Hits(Fault.SharesDeadLetterQueues)))
        {
            await PublishAsync(Destination.Queue(Names.DeadLetterQueue(other)), delivery.Envelope).ConfigureAwait(false);
        }

        return result;
    }

    /// <summary>For the faults of counting, which show at the next hand-out.</summary>
    private void Count(in Settlement settlement, SettleResult result)
    {
        var delivery = settlement.Delivery;
        if (result.Status != SettleStatus.Settled)
        {
            return;
        }

        if (settlement.Kind == SettlementKind.Release)
        {
            fault.Count(FaultyContents.Released(delivery));
        }
        else if (settlement.Kind == SettlementKind.Retry)
        {
            fault.Set(FaultyContents.Redelivered(delivery), delivery.Redeliveries);
        }
    }

    private void Report(Span<SettleResult> results)
    {
        var bad = results.ToArray().FirstOrDefault(static result => result.Status != SettleStatus.Settled);
        if (bad.Status == SettleStatus.Settled)
        {
            return;
        }

        if (fault.Hits(Fault.LiesAboutSettling))
        {
            results.Fill(SettleResult.Settled);
        }
        else if (fault.Hits(Fault.FailsWholeSettlement))
        {
            results.Fill(SettleResult.Failed(bad.Error ?? new InvalidOperationException("One of them is lost.")));
        }
        else if (fault.Hits(Fault.ShufflesResults))
        {
            results.Reverse();
        }
    }

    private static Settlement Replaced(in Settlement settlement, Delivery delivery) => settlement.Kind switch
    {
        SettlementKind.Ack => Settlement.Ack(delivery),
        SettlementKind.Retry => Settlement.Retry(delivery, settlement.Delay),
        SettlementKind.DeadLetter => Settlement.DeadLetter(delivery, settlement.Info!),
        _ => Settlement.Release(delivery),
    };

    private Task<SettleResult> TellAsync(Settlement settlement) => TellAsync(inner, settlement);

    private static async Task<SettleResult> TellAsync(IReceiver receiver, Settlement settlement)
    {
        var result = new SettleResult[1];
        await receiver.SettleAsync(new[] { settlement }, result, CancellationToken.None).ConfigureAwait(false);
        return result[0];
    }

    private Task PublishAsync(Destination destination, Envelope envelope, TimeSpan delay = default) =>
        transport.PublishAsync(new[] { FaultyContents.Again(new(destination, envelope, delay)) }, new PublishResult[1], CancellationToken.None).AsTask();
}
