using Postrider.Core.Transport;
using RabbitMQ.Client.Exceptions;

namespace Postrider.Transports.RabbitMq;

/// <summary>
/// Settles deliveries on the channels that they came by. What has to go somewhere else is first published there, confirmed, and then acked:
/// a crash between the two leaves two copies, never none.
/// </summary>
internal sealed class RabbitMqSettler(DelayedPublisher publisher, string queue)
{
    private readonly string _deadLetters = Names.DeadLetterQueue(queue);

    public async ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        var copies = 0;
        for (var i = 0; i < batch.Length; i++)
        {
            var settlement = batch.Span[i];
            var delivery = (RabbitMqDelivery)settlement.Delivery;
            if (!delivery.TryBegin() || delivery.Channel.Failure is not null)
            {
                results.Span[i] = SettleResult.Lost;
            }
            else if (NeedsCopy(settlement))
            {
                results.Span[i] = new(SettleStatus.Failed, ToCopy);
                copies++;
            }
            else
            {
                var told = await TellAsync(delivery, ack: settlement.Kind == SettlementKind.Ack, cancellationToken).ConfigureAwait(false);
                results.Span[i] = told;
            }
        }

        if (copies > 0)
        {
            await MoveAsync(batch, results, copies, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Releases what nobody was given. Where no copy can be published a nack must do: nobody else would ever settle it.</summary>
    public async ValueTask HandBackAsync(Settlement[] batch)
    {
        var results = new SettleResult[batch.Length];
        await SettleAsync(batch, results, CancellationToken.None).ConfigureAwait(false);
        for (var i = 0; i < batch.Length; i++)
        {
            if (results[i].Status == SettleStatus.Failed)
            {
                await TellAsync((RabbitMqDelivery)batch[i].Delivery, ack: false, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    /// <summary>A nack keeps the message's place, and RabbitMQ 3 counts it like a crash; so it is for those that are not suspect.</summary>
    private static bool NeedsCopy(in Settlement settlement) =>
        settlement.Kind is SettlementKind.Retry or SettlementKind.DeadLetter
        || (settlement.Kind == SettlementKind.Release && settlement.Delivery.IsSuspect);

    private static async ValueTask<SettleResult> TellAsync(RabbitMqDelivery delivery, bool ack, CancellationToken cancellationToken)
    {
        try
        {
            delivery.Channel.NoteSettlement();
            if (ack)
            {
                await delivery.Channel.Channel.BasicAckAsync(delivery.Tag, multiple: false, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                await delivery.Channel.Channel.BasicNackAsync(delivery.Tag, multiple: false, requeue: true, cancellationToken).ConfigureAwait(false);
            }

            return SettleResult.Settled;
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested)
        {
            delivery.Undo();
            return SettleResult.Failed(e);
        }
        catch (Exception e) when (e is OperationInterruptedException or ObjectDisposedException or System.Threading.Channels.ChannelClosedException)
        {
            // Without its channel it is the broker's again.
            return SettleResult.Lost;
        }
        catch (Exception e)
        {
            delivery.Undo();
            return SettleResult.Failed(e);
        }
    }

    private async ValueTask MoveAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, int count, CancellationToken cancellationToken)
    {
        var (copies, counts, at) = (new OutgoingMessage[count], new int[count], new int[count]);
        for (int i = 0, copy = 0; copy < count; i++)
        {
            if (ReferenceEquals(results.Span[i].Error, ToCopy))
            {
                (at[copy], copies[copy], counts[copy]) = (i, Copy(batch.Span[i]), batch.Span[i].Kind == SettlementKind.Release ? batch.Span[i].Delivery.Redeliveries : 0);
                copy++;
            }
        }

        var published = new PublishResult[count];
        await publisher.PublishAsync(copies, counts, published, cancellationToken).ConfigureAwait(false);
        for (var copy = 0; copy < count; copy++)
        {
            var delivery = (RabbitMqDelivery)batch.Span[at[copy]].Delivery;
            if (published[copy].Status == PublishStatus.Stored)
            {
                // Not to be cancelled: the copy is there.
                var told = await TellAsync(delivery, ack: true, CancellationToken.None).ConfigureAwait(false);
                results.Span[at[copy]] = told;
            }
            else
            {
                delivery.Undo();
                results.Span[at[copy]] = SettleResult.Failed(published[copy].Error ?? new TransportException(
                    $"The copy of the message '{delivery.Envelope.Id}' for {copies[copy].Destination} is {published[copy].Status}.", TransportError.Other));
            }
        }
    }

    private OutgoingMessage Copy(in Settlement settlement)
    {
        var envelope = settlement.Delivery.Envelope;
        return settlement.Kind switch
        {
            SettlementKind.Retry => new(Destination.Queue(queue), envelope with { Attempt = envelope.Attempt + 1 }, settlement.Delay),
            SettlementKind.DeadLetter => new(Destination.Queue(_deadLetters), envelope with { DeadLetter = settlement.Info }),
            _ => new(Destination.Queue(queue), envelope),
        };
    }

    /// <summary>Marks results that are still to come.</summary>
    private static readonly Exception ToCopy = new InvalidOperationException("The result is not known yet.");
}
