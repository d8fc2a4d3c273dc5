using System.Buffers;
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

    /// <param name="batch">What to settle.</param>
    /// <param name="results">The result of each.</param>
    /// <param name="leaves">Hand-backs are left to the end of the channel, which keeps their order.</param>
    /// <param name="cancellationToken">Ends what has not begun.</param>
    public async ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, bool leaves, CancellationToken cancellationToken)
    {
        var (copies, acks) = (0, 0);
        ConsumerChannel? channel = null;
        for (var i = 0; i < batch.Length; i++)
        {
            var settlement = batch.Span[i];
            var delivery = (RabbitMqDelivery)settlement.Delivery;
            if (!delivery.TryBegin() || delivery.Channel.Failure is not null)
            {
                results.Span[i] = SettleResult.Lost;
            }
            else if (leaves && settlement.Kind == SettlementKind.Release)
            {
                // Unsettled it stays, so that no ack of several covers it.
                results.Span[i] = SettleResult.Settled;
            }
            else if (NeedsCopy(settlement))
            {
                results.Span[i] = new(SettleStatus.Failed, ToCopy);
                copies++;
            }
            else if (settlement.Kind == SettlementKind.Ack && (channel ??= delivery.Channel) == delivery.Channel)
            {
                results.Span[i] = new(SettleStatus.Failed, ToAck);
                acks++;
            }
            else
            {
                var told = await TellAsync(delivery, settlement.Kind == SettlementKind.Ack, multiple: false, cancellationToken).ConfigureAwait(false);
                results.Span[i] = told;
            }
        }

        if (acks > 0)
        {
            await AckAsync(channel!, batch, results, acks, cancellationToken).ConfigureAwait(false);
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
        await SettleAsync(batch, results, leaves: false, CancellationToken.None).ConfigureAwait(false);
        for (var i = 0; i < batch.Length; i++)
        {
            if (results[i].Status == SettleStatus.Failed)
            {
                await TellAsync((RabbitMqDelivery)batch[i].Delivery, ack: false, multiple: false, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    /// <summary>A nack keeps the message's place, and RabbitMQ 3 counts it like a crash; so it is for those that are not suspect.</summary>
    private static bool NeedsCopy(in Settlement settlement) =>
        settlement.Kind is SettlementKind.Retry or SettlementKind.DeadLetter
        || (settlement.Kind == SettlementKind.Release && settlement.Delivery.IsSuspect);

    /// <summary>One command for all up to the first that is not settled, one each for those beyond: a handler there still runs.</summary>
    private static async ValueTask AckAsync(
        ConsumerChannel channel, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, int count, CancellationToken cancellationToken)
    {
        var (first, last) = Split(channel, batch.Span, results.Span, count);
        var together = default(SettleResult);
        if (last is not null)
        {
            together = await TellAsync(last, ack: true, multiple: true, cancellationToken).ConfigureAwait(false);
        }

        for (var i = 0; i < batch.Length; i++)
        {
            if (!ReferenceEquals(results.Span[i].Error, ToAck))
            {
                continue;
            }

            var delivery = (RabbitMqDelivery)batch.Span[i].Delivery;
            if (delivery.Tag < first)
            {
                results.Span[i] = together;
                Note(delivery, together);
            }
            else
            {
                var told = await TellAsync(delivery, ack: true, multiple: false, cancellationToken).ConfigureAwait(false);
                results.Span[i] = told;
            }
        }
    }

    /// <returns>The first tag that is not settled after this batch, and the last delivery of the batch before it.</returns>
    private static (ulong First, RabbitMqDelivery? Last) Split(
        ConsumerChannel channel, ReadOnlySpan<Settlement> batch, ReadOnlySpan<SettleResult> results, int count)
    {
        var tags = ArrayPool<ulong>.Shared.Rent(count);
        var found = 0;
        for (var i = 0; i < batch.Length; i++)
        {
            if (ReferenceEquals(results[i].Error, ToAck))
            {
                tags[found++] = ((RabbitMqDelivery)batch[i].Delivery).Tag;
            }
        }

        tags.AsSpan(0, count).Sort();
        var first = channel.Unsettled.FirstAfter(tags.AsSpan(0, count));
        ArrayPool<ulong>.Shared.Return(tags);
        RabbitMqDelivery? last = null;
        for (var i = 0; i < batch.Length; i++)
        {
            if (ReferenceEquals(results[i].Error, ToAck) && batch[i].Delivery is RabbitMqDelivery one && one.Tag < first && !(one.Tag < last?.Tag))
            {
                last = one;
            }
        }

        return (first, last);
    }

    /// <param name="delivery">What is settled.</param>
    /// <param name="ack">Or else handed back.</param>
    /// <param name="multiple">With everything before it; the caller notes the results.</param>
    /// <param name="cancellationToken">Ends it before it is written.</param>
    private static async ValueTask<SettleResult> TellAsync(RabbitMqDelivery delivery, bool ack, bool multiple, CancellationToken cancellationToken)
    {
        SettleResult result;
        try
        {
            delivery.Channel.NoteSettlement();
            if (ack)
            {
                await delivery.Channel.Channel.BasicAckAsync(delivery.Tag, multiple, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                await delivery.Channel.Channel.BasicNackAsync(delivery.Tag, multiple: false, requeue: true, cancellationToken).ConfigureAwait(false);
            }

            result = SettleResult.Settled;
        }
        catch (Exception e) when (e is OperationInterruptedException or ObjectDisposedException or System.Threading.Channels.ChannelClosedException)
        {
            // Without its channel it is the broker's again.
            result = SettleResult.Lost;
        }
        catch (Exception e)
        {
            result = SettleResult.Failed(e);
        }

        if (!multiple)
        {
            Note(delivery, result);
        }

        return result;
    }

    private static void Note(RabbitMqDelivery delivery, in SettleResult result)
    {
        if (result.Status == SettleStatus.Failed)
        {
            delivery.Undo();
        }
        else
        {
            delivery.End();
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
                var told = await TellAsync(delivery, ack: true, multiple: false, CancellationToken.None).ConfigureAwait(false);
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

    /// <summary>Mark results that are still to come.</summary>
    private static readonly Exception ToAck = new InvalidOperationException("The result is not known yet.");

    private static readonly Exception ToCopy = new InvalidOperationException("The result is not known yet.");
}
