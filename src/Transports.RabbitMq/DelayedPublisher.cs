using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq;

/// <summary>Turns messages for topics and queues, delayed or not, into messages for exchanges, and the results back.</summary>
/// <remarks>
/// What is sent to a queue with a priority goes by way of the exchange at the end of the ladder, which leads on to the queue or, if it has any, to its levels. Queues that
/// somebody else has made are not bound there: that is seen by the message's return, and it is sent to the queue itself.
/// </remarks>
internal sealed class DelayedPublisher(RabbitMqPublisher publisher, DelayLadder ladder, BindingRegistry registry, Connections connections)
{
    /// <param name="batch">The messages.</param>
    /// <param name="redeliveries">For hand-backs: what was counted of each; else empty.</param>
    /// <param name="results">A result each.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public ValueTask PublishAsync(
        ReadOnlyMemory<OutgoingMessage> batch, ReadOnlyMemory<int> redeliveries, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        var call = publisher.Begin();
        var concernsLevels = false;
        for (var i = 0; i < batch.Length; i++)
        {
            ref readonly var message = ref batch.Span[i];
            if (publisher.WhyRefused(message) is { } refusal)
            {
                results.Span[i] = new(PublishStatus.Rejected, refusal);
            }
            else if (message.Delay > TimeSpan.Zero)
            {
                // Nothing of the call has been sent: it is forgotten.
                return SendReturnedAsync(PublishDelayedAsync(batch, redeliveries, results, cancellationToken), batch, redeliveries, results, cancellationToken);
            }
            else
            {
                concernsLevels |= QueueLevels.Concern(message);
                call.Add(Direct(message, i, redeliveries.IsEmpty ? 0 : redeliveries.Span[i]));
            }
        }

        var sending = publisher.SendAsync(call, results, cancellationToken);
        return concernsLevels ? SendReturnedAsync(sending, batch, redeliveries, results, cancellationToken) : sending;
    }

    private static WireMessage Direct(in OutgoingMessage message, int index, int redeliveries) =>
        QueueLevels.Concern(message)
            ? new(DelayLadder.End, DelayLadder.EndKey(message.Destination.Name), message.Envelope, index, redeliveries)
            : new(message.Destination.Kind == DestinationKind.Topic ? RabbitMqTopology.Topics : "", message.Destination.Name, message.Envelope, index, redeliveries);

    private async ValueTask SendReturnedAsync(
        ValueTask sending, ReadOnlyMemory<OutgoingMessage> batch, ReadOnlyMemory<int> redeliveries, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        await sending.ConfigureAwait(false);
        PublishCall? again = null;
        for (var i = 0; i < batch.Length; i++)
        {
            ref readonly var message = ref batch.Span[i];
            if (results.Span[i].Status == PublishStatus.Unroutable && message.Delay <= TimeSpan.Zero && QueueLevels.Concern(message))
            {
                (again ??= publisher.Begin()).Add(new("", message.Destination.Name, message.Envelope, i, redeliveries.IsEmpty ? 0 : redeliveries.Span[i]));
            }
        }

        if (again is not null)
        {
            await publisher.SendAsync(again, results, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask PublishDelayedAsync(
        ReadOnlyMemory<OutgoingMessage> batch, ReadOnlyMemory<int> redeliveries, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        var messages = new List<WireMessage>(batch.Length);
        // The message that each copy belongs to, and the queue that a delayed one is for.
        var owners = new List<(int Message, string? Queue)>(batch.Length);
        for (var i = 0; i < batch.Length; i++)
        {
            var message = batch.Span[i];
            if (publisher.WhyRefused(message) is { } refusal)
            {
                results.Span[i] = new(PublishStatus.Rejected, refusal);
            }
            else if (message.Delay <= TimeSpan.Zero)
            {
                messages.Add(Direct(message, messages.Count, redeliveries.IsEmpty ? 0 : redeliveries.Span[i]));
                owners.Add((i, null));
            }
            else if (await AddCopiesAsync(message, i, messages, owners, cancellationToken).ConfigureAwait(false) is { } result)
            {
                results.Span[i] = result;
            }
        }

        var copies = new PublishResult[messages.Count];
        var call = publisher.Begin();
        foreach (var message in messages)
        {
            call.Add(message);
        }

        await publisher.SendAsync(call, copies, cancellationToken).ConfigureAwait(false);
        for (var i = copies.Length - 1; i >= 0; i--)
        {
            var first = i;
            while (first > 0 && owners[first - 1].Message == owners[i].Message)
            {
                first--;
            }

            results.Span[owners[i].Message] = Combine(copies.AsSpan(first, i - first + 1), first, owners);
            i = first;
        }
    }

    /// <summary>Adds a copy for each queue. If there is none to add, the result.</summary>
    private async ValueTask<PublishResult?> AddCopiesAsync(
        OutgoingMessage message, int index, List<WireMessage> messages, List<(int Message, string? Queue)> owners, CancellationToken cancellationToken)
    {
        var rungs = DelayTime.Rungs(message.Delay);
        var (before, isTopic) = (messages.Count, message.Destination.Kind == DestinationKind.Topic);
        try
        {
            var queues = isTopic ? await registry.ResolveAsync(message.Destination.Name, cancellationToken).ConfigureAwait(false) : [message.Destination.Name];
            foreach (var queue in queues)
            {
                if (await ladder.PrepareAsync(queue, rungs, cancellationToken).ConfigureAwait(false))
                {
                    messages.Add(new(DelayLadder.Exchange(DelayTime.Top(rungs)), DelayTime.RoutingKey(queue, rungs), message.Envelope, messages.Count));
                    owners.Add((index, queue));
                }
            }
        }
        catch (Exception e)
        {
            messages.RemoveRange(before, messages.Count - before);
            owners.RemoveRange(before, owners.Count - before);
            return new(PublishStatus.NotSent, e is OperationCanceledException ? e : connections.Failed(e, "publish"));
        }

        return messages.Count > before ? null : new(PublishStatus.Unroutable, new TransportException(
            isTopic ? $"No queue on RabbitMQ at {connections.Where} is bound to the topic '{message.Destination.Name}'."
            : $"There is no queue '{message.Destination.Name}' on RabbitMQ at {connections.Where}. Declare it, or start its consumer first.",
            TransportError.QueueNotFound));
    }

    private PublishResult Combine(ReadOnlySpan<PublishResult> copies, int first, List<(int Message, string? Queue)> owners)
    {
        var (stored, notSent) = (0, 0);
        Exception? error = null;
        for (var i = 0; i < copies.Length; i++)
        {
            var status = copies[i].Status;
            if (owners[first + i].Queue is { } queue && status == PublishStatus.Unroutable)
            {
                // A part of the ladder has been taken away. It is made again at the next try.
                ladder.Forget(queue);
                error = new TransportException($"The delays of '{queue}' on RabbitMQ at {connections.Where} have been deleted. They are made again.", TransportError.Unavailable);
                notSent++;
                continue;
            }

            if (copies.Length == 1)
            {
                return copies[0];
            }

            (stored, notSent) = (stored + (status == PublishStatus.Stored ? 1 : 0), notSent + (status == PublishStatus.NotSent ? 1 : 0));
            error = copies[i].Error ?? error;
        }

        return stored == copies.Length ? new(PublishStatus.Stored)
            : new(notSent == copies.Length ? PublishStatus.NotSent : PublishStatus.Unknown, error);
    }
}
