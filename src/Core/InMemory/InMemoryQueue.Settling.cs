using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <content>How deliveries end.</content>
internal sealed partial class InMemoryQueue
{
    /// <summary>Settles in one pass.</summary>
    public void Settle(QueueReader reader, ReadOnlySpan<Settlement> batch, Span<SettleResult> results)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(reader.Closed, typeof(InMemoryReceiver));
            for (var i = 0; i < batch.Length; i++)
            {
                results[i] = Find(batch[i].Delivery, reader, out var message) ?? Settle(message!, batch[i]);
            }
        }
    }

    /// <summary>Starts leases anew.</summary>
    public void Renew(QueueReader reader, ReadOnlySpan<Delivery> deliveries, Span<SettleResult> results)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(reader.Closed, typeof(InMemoryReceiver));
            var due = _clock.After(reader.Lease);
            for (var i = 0; i < deliveries.Length; i++)
            {
                if (Find(deliveries[i], reader, out var message) is { } problem)
                {
                    results[i] = problem;
                    continue;
                }

                Detach(message!);
                message!.Due = due;
                reader.Leased.Add(message);
                results[i] = SettleResult.Settled;
            }

            StartTimer();
        }
    }

    private SettleResult? Find(Delivery? delivery, QueueReader reader, out StoredMessage? message)
    {
        if (delivery is not InMemoryDelivery ours || ours.Reader != reader)
        {
            message = null;
            return SettleResult.Failed(new ArgumentException("The delivery does not come from this receiver."));
        }

        message = ours.Message;
        return _deleted || message.Token != ours.Token ? SettleResult.Lost : null;
    }

    private SettleResult Settle(StoredMessage message, in Settlement settlement)
    {
        if (settlement.Kind == SettlementKind.DeadLetter && CopyToDeadLetters(message, settlement.Info!) is { } error)
        {
            return SettleResult.Failed(error);
        }

        Detach(message);
        message.Token++;
        switch (settlement.Kind)
        {
            case SettlementKind.Retry:
                message.Envelope = message.Envelope! with { Attempt = message.Envelope.Attempt + 1 };
                message.Redeliveries = 0;
                Place(message, settlement.Delay);
                break;
            case SettlementKind.Release:
                _visible.Return(message);
                WakeOne();
                break;
            default:
                Recycle(message);
                break;
        }

        return SettleResult.Settled;
    }

    private TransportException? CopyToDeadLetters(StoredMessage message, DeadLetterInfo info)
    {
        if (Names.IsDeadLetterQueue(Name))
        {
            return new($"'{Name}' is a dead-letter queue and has none itself: ack or release the message.", TransportError.Other);
        }

        var name = Names.DeadLetterQueue(Name);
        return _broker.FindQueue(name) is { } queue && queue.TryAdd(message.Envelope! with { DeadLetter = info }, TimeSpan.Zero)
            ? null
            : new($"The queue '{name}' does not exist; the message stays. Declare '{Name}' again.", TransportError.QueueNotFound);
    }

    /// <summary>Takes the message from its holder, or from where it went when the lease was over: that is then uncounted.</summary>
    private void Detach(StoredMessage message)
    {
        if (_visible.IsReturned(message))
        {
            message.Redeliveries--;
        }

        message.List!.Remove(message);
    }

    private void Recycle(StoredMessage message)
    {
        message.Envelope = null;
        if (_unusedCount < MostUnused)
        {
            (message.Next, _unused) = (_unused, message);
            _unusedCount++;
        }
    }
}
