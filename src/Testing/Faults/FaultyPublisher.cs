using Postrider.Core.Transport;

namespace Postrider.Testing;

/// <summary>What can go wrong in publishing.</summary>
internal sealed class FaultyPublisher(ITransport inner, FaultSwitch fault)
{
    private static readonly TimeSpan Late = TimeSpan.FromMilliseconds(30);

    /// <summary>What is sent late goes out one by one and slowly, so that a crowd of publishers always has a backlog to lose.</summary>
    private static readonly TimeSpan Apart = TimeSpan.FromMilliseconds(1);
    private readonly Lock _gate = new();
    private Task _late = Task.CompletedTask;
    private volatile bool _closed;

    public void Close() => _closed = true;

    public async ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        if (fault.Hits(Fault.ThrowsOnEmptyBatch, batch.IsEmpty))
        {
            throw new ArgumentException("The batch is empty.", nameof(batch));
        }

        if (fault.Hits(Fault.ConfirmsEarly))
        {
            results.Span.Fill(new(PublishStatus.Stored));
            lock (_gate)
            {
                _late = PublishAfterAsync(_late, batch.ToArray());
            }

            return;
        }

        var ignoresCancel = fault.Hits(Fault.IgnoresCancel) || fault.Fault == Fault.SaysNotSent;
        if (fault.Fault is Fault.None or Fault.FailsWholeBatch or Fault.ShufflesResults or Fault.ThrowsOnBadItem)
        {
            await inner.PublishAsync(batch, results, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            // Message by message: what is one item to the caller may be none or two to the broker.
            for (var i = 0; i < batch.Length; i++)
            {
                var at = fault.Hits(Fault.Reorders, batch.Length > 1) ? batch.Length - 1 - i : i;
                var result = await PublishOneAsync(batch.Span[at], ignoresCancel ? CancellationToken.None : cancellationToken).ConfigureAwait(false);
                results.Span[at] = result;
            }
        }

        await ReportAsync(results, cancellationToken).ConfigureAwait(false);
    }

    private async Task<PublishResult> PublishOneAsync(OutgoingMessage message, CancellationToken cancellationToken)
    {
        var isTopic = message.Destination.Kind == DestinationKind.Topic;
        fault.Router.Remember(message);
        if (message.Delay > TimeSpan.FromSeconds(5))
        {
            fault.Delayed[message.Destination.Name] = true;
        }

        if (fault.StrikesFirstOfHundred(Fault.DropsMessages)
            || fault.Hits(Fault.DropsDelayed, message.Delay > TimeSpan.Zero)
            || (fault.Fault == Fault.SwallowsSameIds && fault.Hits(Fault.SwallowsSameIds, fault.Count(message.Envelope.Id) > 1)))
        {
            return new(PublishStatus.Stored);
        }

        if (fault.Hits(Fault.RoutesDelayedLate, isTopic && message.Delay > TimeSpan.Zero))
        {
            _ = PublishLaterAsync([message with { Delay = TimeSpan.Zero }], message.Delay);
            return new(PublishStatus.Stored);
        }

        if (fault.Hits(Fault.IgnoresDelay, message.Delay > TimeSpan.Zero))
        {
            message = message with { Delay = TimeSpan.Zero };
        }

        if (fault.Hits(Fault.DelaysTooLong, message.Delay > TimeSpan.Zero))
        {
            message = message with { Delay = message.Delay + FaultSwitch.TooLong };
        }

        if (fault.Hits(Fault.DelayForgetsPriority, message.Delay > TimeSpan.Zero))
        {
            message = message with { Envelope = message.Envelope with { Priority = null } };
        }

        if (isTopic && FaultyRouter.IsOn(fault.Fault) && fault.Hits(fault.Fault))
        {
            foreach (var queue in fault.Router.Route(message.Destination.Name, fault.Fault))
            {
                await TellAsync(FaultyContents.Again(message with { Destination = Destination.Queue(queue) }), cancellationToken).ConfigureAwait(false);
            }

            return new(PublishStatus.Stored);
        }

        var result = await TellAsync(message, cancellationToken).ConfigureAwait(false);
        if (fault.Fault == Fault.BurnsIds && fault.Hits(Fault.BurnsIds, fault.Count(message.Envelope.Id) > 1))
        {
            return new(PublishStatus.Duplicate);
        }

        if (fault.StrikesFirstOfHundred(Fault.DuplicatesMessages))
        {
            await TellAsync(FaultyContents.Again(message), cancellationToken).ConfigureAwait(false);
        }

        if (fault.Hits(Fault.SendsToEverybody, !isTopic))
        {
            await TellAsync(message with { Destination = Destination.Topic(message.Destination.Name) }, cancellationToken).ConfigureAwait(false);
        }

        return result;
    }

    private async Task<PublishResult> TellAsync(OutgoingMessage message, CancellationToken cancellationToken)
    {
        var result = new PublishResult[1];
        await inner.PublishAsync(new[] { message }, result, cancellationToken).ConfigureAwait(false);
        return result[0];
    }

    private async Task PublishAfterAsync(Task before, OutgoingMessage[] batch)
    {
        var behindOthers = !before.IsCompleted;
        await before.ConfigureAwait(false);
        await PublishLaterAsync(batch, behindOthers ? Apart : Late).ConfigureAwait(false);
    }

    private async Task PublishLaterAsync(OutgoingMessage[] batch, TimeSpan delay)
    {
        await Task.Delay(delay, TimeProvider.System).ConfigureAwait(false);
        try
        {
            if (!_closed)
            {
                await inner.PublishAsync(batch, new PublishResult[batch.Length], CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (Exception)
        {
            // Nobody is told: that is the fault.
        }
    }

    private async ValueTask ReportAsync(Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        var bad = Bad(results.Span);
        if (fault.Hits(Fault.LiesAboutResults, bad is not null))
        {
            results.Span.Fill(new(PublishStatus.Stored));
        }
        else if (fault.Hits(Fault.FailsWholeBatch, bad is not null))
        {
            results.Span.Fill(bad!.Value);
        }
        else if (fault.Hits(Fault.ShufflesResults, bad is not null))
        {
            results.Span.Reverse();
        }
        else if (fault.Hits(Fault.ThrowsOnBadItem, bad is not null))
        {
            throw new TransportException("A message was refused.", TransportError.Other, bad!.Value.Error);
        }
        else if (fault.Hits(Fault.ThrowsOnCancel, cancellationToken.IsCancellationRequested))
        {
            cancellationToken.ThrowIfCancellationRequested();
        }
        else if (fault.Hits(Fault.SaysNotSent, cancellationToken.IsCancellationRequested))
        {
            results.Span.Fill(new(PublishStatus.NotSent));
        }
        else if (fault.Hits(Fault.HangsOnOutage, bad?.Error is TransportException { IsTransient: true }))
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
    }

    private static PublishResult? Bad(ReadOnlySpan<PublishResult> results)
    {
        foreach (var result in results)
        {
            if (result.Status is not (PublishStatus.Stored or PublishStatus.Duplicate))
            {
                return result;
            }
        }

        return null;
    }
}
