using System.Diagnostics;
using System.Globalization;
using System.Text;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>
/// Tells the server what becomes of a receiver's deliveries. What goes on as another message (the next attempt, a dead letter, a suspect that is handed
/// back) is stored first and acked then. "Settled" means handed to the socket's writer: the server does not confirm acks.
/// </summary>
internal sealed class NatsSettler(NatsReceiver owner, JetStreamApi api, Subjects subjects, NatsPublisher publisher, ReadySubjects ready, string stream)
{
    public static readonly ReadOnlyMemory<byte> Nak = Encoding.ASCII.GetBytes("-NAK");
    private readonly string _doing = $"settle messages of '{owner.Queue}'";
    private readonly string _parked = subjects.OfDelayed(owner.Queue);
    private readonly string _dead = subjects.OfQueue(Names.DeadLetterQueue(owner.Queue));

    /// <summary>Dead letters are kept by a stream from which an ack takes nothing away.</summary>
    private readonly bool _deletes = Names.IsDeadLetterQueue(owner.Queue);

    public async ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        List<int>? copied = null;
        Link? link = null;
        for (var i = 0; i < batch.Length; i++)
        {
            var delivery = (NatsDelivery)batch.Span[i].Delivery;
            if (!delivery.TryBegin())
            {
                results.Span[i] = SettleResult.Lost;
                continue;
            }

            if (!owner.IsHeld(delivery))
            {
                results.Span[i] = SettleResult.Lost;
                continue;
            }

            try
            {
                if (link is not { IsOpen: true })
                {
                    link = await owner.LinkAsync(cancellationToken).ConfigureAwait(false);
                }

                var kind = batch.Span[i].Kind;
                if (kind == SettlementKind.Ack)
                {
                    await AckAsync(link, delivery, cancellationToken).ConfigureAwait(false);
                }
                else if (kind == SettlementKind.Release && !delivery.IsSuspect)
                {
                    await HandBackAsync(link, delivery, cancellationToken).ConfigureAwait(false);
                }
                else
                {
                    (copied ??= []).Add(i);
                    continue;
                }

                results.Span[i] = SettleResult.Settled;
            }
            catch (Exception e)
            {
                delivery.Undo();
                results.Span[i] = SettleResult.Failed(api.Links.Failed(e, _doing));
            }
        }

        if (copied is not null)
        {
            await CopyAsync(link!, batch, results, copied, cancellationToken).ConfigureAwait(false);
        }
    }

    public async ValueTask RenewAsync(ReadOnlyMemory<Delivery> deliveries, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        Link? link = null;
        for (var i = 0; i < deliveries.Length; i++)
        {
            var delivery = (NatsDelivery)deliveries.Span[i];
            if (delivery.IsSettled || !owner.IsHeld(delivery))
            {
                results.Span[i] = SettleResult.Lost;
                continue;
            }

            try
            {
                link ??= await owner.LinkAsync(cancellationToken).ConfigureAwait(false);
                var now = Stopwatch.GetTimestamp();
                await link.WriteAsync(delivery.AckSubject, LeaseKeeper.InProgress, null, null, cancellationToken).ConfigureAwait(false);
                (delivery.GrantedAt, delivery.ToldAt) = (now, now);
                results.Span[i] = SettleResult.Settled;
            }
            catch (Exception e)
            {
                results.Span[i] = SettleResult.Failed(api.Links.Failed(e, _doing));
            }
        }
    }

    /// <summary>
    /// The server takes note of it beside the pulls that follow. Where those ask for what is there at once, and where whoever comes next is to get this first, it is
    /// waited for.
    /// </summary>
    private ValueTask HandBackAsync(Link link, NatsDelivery delivery, CancellationToken cancellationToken) => ready.HasLevels || owner.KeepsOrder
        ? api.TellAsync(link, delivery.AckSubject, Nak, _doing, cancellationToken)
        : link.WriteAsync(delivery.AckSubject, Nak, null, null, cancellationToken);

    private async ValueTask AckAsync(Link link, NatsDelivery delivery, CancellationToken cancellationToken)
    {
        if (_deletes)
        {
            await api.DeleteMessageAsync(stream, delivery.Position.Sequence, _doing, cancellationToken).ConfigureAwait(false);
        }

        await link.WriteAsync(delivery.AckSubject, default, null, null, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask CopyAsync(
        Link link, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, List<int> places, CancellationToken cancellationToken)
    {
        var stored = new PublishResult[places.Count];
        var call = publisher.Begin();
        for (var i = 0; i < places.Count; i++)
        {
            var settlement = batch.Span[places[i]];
            var delivery = (NatsDelivery)settlement.Delivery;
            var (subject, envelope, purpose, delay, counted) = settlement.Kind switch
            {
                SettlementKind.Retry => (settlement.Delay > TimeSpan.Zero ? _parked : ready.Of(delivery.Envelope),
                    delivery.Envelope with { Attempt = delivery.Envelope.Attempt + 1 }, "retry", settlement.Delay, 0),
                SettlementKind.DeadLetter => (_dead, delivery.Envelope with { DeadLetter = settlement.Info }, "dead", TimeSpan.Zero, 0),
                _ => (ready.Of(delivery.Envelope), delivery.Envelope, "back", TimeSpan.Zero, delivery.Redeliveries),
            };
            // The same copy made twice, because a crash came before the ack, has the same id: the server keeps one.
            var at = delivery.Position;
            var id = string.Create(CultureInfo.InvariantCulture, $"{purpose}:{at.Stream}:{at.Sequence}:{at.StoredAt}:{at.Deliveries * (purpose == "back" ? 1 : 0)}");
            call.Add(new(subject, envelope, id, DestinationKind.Queue, i, delay, counted));
        }

        await publisher.SendAsync(call, stored, cancellationToken).ConfigureAwait(false);
        for (var i = 0; i < places.Count; i++)
        {
            var delivery = (NatsDelivery)batch.Span[places[i]].Delivery;
            try
            {
                if (stored[i].Status is not (PublishStatus.Stored or PublishStatus.Duplicate))
                {
                    throw stored[i].Error ?? new TransportException($"Cannot {_doing} on NATS at {api.Links.Where}: the copy is {stored[i].Status}.", TransportError.Other);
                }

                if (owner.IsHeld(delivery))
                {
                    await AckAsync(link, delivery, cancellationToken).ConfigureAwait(false);
                    results.Span[places[i]] = SettleResult.Settled;
                }
                else
                {
                    results.Span[places[i]] = SettleResult.Lost;
                }
            }
            catch (Exception e)
            {
                delivery.Undo();
                results.Span[places[i]] = SettleResult.Failed(api.Links.Failed(e, _doing));
            }
        }
    }
}
