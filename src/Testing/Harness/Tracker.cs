using System.Diagnostics.CodeAnalysis;
using Postrider.Core.Consuming;
using Postrider.Core.Transport;

namespace Postrider.Testing.Harness;

/// <summary>
/// Knows of each copy of a message that this host consumes, from before its publish until its final outcome. What a handler publishes is counted before the
/// handler's own message ends, so when nothing is open everything has happened: no time has to pass to be sure. Thread-safe.
/// </summary>
internal sealed partial class Tracker(Timeline timeline) : ILaneWatch
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Delivery, (Copy Copy, Handling Handling)> _inHand = [];
    private HashSet<string> _queues = new(StringComparer.Ordinal);
    private HashSet<Binding> _bindings = [];

    public Flow Everything { get; } = new();

    /// <summary>Whether an <see cref="ConsumerOptions.OnFailed"/> follows when a delivery of the queue becomes a dead letter.</summary>
    public Func<string, Envelope, bool> TellsOfFailure { get; set; } = static (_, _) => false;

    public void Declared(Topology topology)
    {
        lock (_gate)
        {
            _queues = [.. _queues, .. topology.Queues];
            _bindings = [.. _bindings, .. topology.Bindings];
        }
    }

    /// <summary>Counts the copies of a message before the broker hears of it.</summary>
    public IReadOnlyList<Copy> Publishing(in OutgoingMessage message)
    {
        lock (_gate)
        {
            var copies = new List<Copy>();
            foreach (var queue in Queues(message.Destination))
            {
                var copy = Of(queue, message.Envelope.Id).Find(static one => one.State == CopyState.InDoubt) ?? Add(queue, message.Envelope.Id, Flow.Current);
                copy.Due = timeline.Now + message.Delay;
                Move(copy, CopyState.Publishing);
                copies.Add(copy);
            }

            return copies;
        }
    }

    /// <summary>The broker has answered. What was handed out meanwhile has gone on already.</summary>
    public void Published(IReadOnlyList<Copy> copies, PublishStatus status)
    {
        lock (_gate)
        {
            foreach (var copy in copies)
            {
                if (copy.State != CopyState.Publishing)
                {
                    continue;
                }

                if (status == PublishStatus.Stored || (status == PublishStatus.Duplicate && copy.WasInDoubt))
                {
                    Wait(copy, copy.Due);
                }
                else
                {
                    copy.WasInDoubt = status == PublishStatus.Unknown;
                    Move(copy, copy.WasInDoubt ? CopyState.InDoubt : CopyState.Ended);
                }
            }
        }
    }

    public Handling HandedOut(Delivery delivery)
    {
        var handling = new Handling(delivery);
        timeline.Add(handling);
        lock (_gate)
        {
            // A message's copies in one queue are alike but for their attempts. None is there at all for a foreign message.
            var copy = Of(delivery.Queue, delivery.Envelope.Id).Where(static one => one.State != CopyState.Telling)
                .OrderBy(one => one.Attempt != delivery.Envelope.Attempt).ThenBy(static one => one.State).FirstOrDefault()
                ?? Add(delivery.Queue, delivery.Envelope.Id, Flow.Current);
            copy.Attempt = delivery.Envelope.Attempt;
            copy.Delivery = delivery;
            _inHand[delivery] = (copy, handling);
            Move(copy, CopyState.InHand);
        }

        return handling;
    }

    public void Waits(Delivery delivery) => MoveInHand(delivery, CopyState.InLane);

    public void Goes(Delivery delivery) => MoveInHand(delivery, CopyState.InHand);

    public void IsLimited(Delivery delivery, TimeSpan delay)
    {
        lock (_gate)
        {
            if (_inHand.TryGetValue(delivery, out var found) && found.Copy.Delivery == delivery)
            {
                Wait(found.Copy, timeline.Now + delay);
            }
        }
    }

    /// <summary>Its next run is a handling of its own, without a hand-out.</summary>
    public void IsHeld(Delivery delivery, TimeSpan delay)
    {
        Handling next;
        lock (_gate)
        {
            if (!_inHand.TryGetValue(delivery, out var found))
            {
                return;
            }

            found.Handling.End(Settlement.Retry(delivery, delay), SettleStatus.Settled, timeline.Now);
            next = new(delivery) { Attempt = found.Handling.Attempt + 1 };
            _inHand[delivery] = (found.Copy, next);
            if (found.Copy.Delivery == delivery)
            {
                Wait(found.Copy, timeline.Now + delay);
            }
        }

        timeline.Add(next);
    }

    public bool TryFind(Delivery delivery, [NotNullWhen(true)] out Handling? handling, out Flow? flow)
    {
        lock (_gate)
        {
            (handling, flow) = _inHand.TryGetValue(delivery, out var found) ? (found.Handling, found.Copy.Flow) : (null, null);
            return handling is not null;
        }
    }

    /// <summary>The broker is about to be told, and may hand the message out again before it answers.</summary>
    /// <param name="settlement">How the delivery is settled.</param>
    /// <param name="told">What the broker is told: something else, if chaos struck.</param>
    public void Settling(in Settlement settlement, SettlementKind told)
    {
        lock (_gate)
        {
            if (told is SettlementKind.Retry or SettlementKind.Release
                && _inHand.TryGetValue(settlement.Delivery, out var found) && found.Copy.Delivery == settlement.Delivery)
            {
                found.Copy.Attempt = settlement.Delivery.Envelope.Attempt + (told == SettlementKind.Retry ? 1 : 0);
                Move(found.Copy, CopyState.Returning);
            }
        }
    }

    /// <param name="settlement">How the delivery was settled.</param>
    /// <param name="told">What the broker was told: something else, if chaos struck.</param>
    /// <param name="result">What it answered.</param>
    /// <param name="isLast">Nothing follows, whatever the outcome: it was in no queue.</param>
    public void Settled(in Settlement settlement, SettlementKind told, SettleResult result, bool isLast = false)
    {
        var delivery = settlement.Delivery;
        lock (_gate)
        {
            if (!_inHand.TryGetValue(delivery, out var found))
            {
                return;
            }

            found.Handling.End(settlement, result.Status, timeline.Now);
            if (result.Status == SettleStatus.Failed)
            {
                // It is told again until it is settled or lost.
                timeline.Add(new Note("not settled", $"in '{delivery.Queue}': {result.Error?.Message}", delivery.Envelope.Id, delivery.Envelope.Type));
                return;
            }

            _inHand.Remove(delivery);
            if (found.Copy.Delivery == delivery)
            {
                Follow(found.Copy, settlement, told, isLast || result.Status == SettleStatus.Lost);
            }
        }
    }

    public Copy? Telling(string queue, string messageId)
    {
        lock (_gate)
        {
            // A message of a foreign form has another id on the wire than its consumer sees.
            return Of(queue, messageId).Find(static one => one.State == CopyState.Telling)
                ?? _copies.Where(one => one.Key.Queue == queue).SelectMany(static one => one.Value).FirstOrDefault(static one => one.State == CopyState.Telling);
        }
    }

    public void Told(Copy copy)
    {
        lock (_gate)
        {
            Move(copy, CopyState.Ended);
        }
    }

    /// <summary>
    /// Waits until nothing of a flow is open, and returns null; or until everything that is open only waits for time, and returns when the next is due.
    /// </summary>
    /// <exception cref="TimeoutException">It took longer, in real time.</exception>
    public async Task<DateTimeOffset?> IdleAsync(Flow flow, TimeSpan patience, CancellationToken cancellationToken)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                BecomeDue();
                if (flow.Open == 0)
                {
                    return null;
                }

                if (_busy == 0)
                {
                    return _later.Peek().Due;
                }

                changed = _changed.Task;
            }

            var left = patience - TimeProvider.System.GetElapsedTime(start);
            await changed.WaitAsync(
                patience == Timeout.InfiniteTimeSpan ? patience : left > TimeSpan.Zero ? left : TimeSpan.Zero, TimeProvider.System, cancellationToken)
                .ConfigureAwait(false);
        }
    }
}
