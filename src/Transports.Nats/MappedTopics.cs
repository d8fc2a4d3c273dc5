using System.Collections.Immutable;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>Publishes topics that are mapped to subjects of others (<see cref="NatsOptions.MapTopic"/>), and hands on all other messages.</summary>
internal sealed class MappedTopics(ImmutableSortedDictionary<string, string> topics, NatsPublisher publisher)
{
    /// <summary>As <see cref="ITransport.PublishAsync"/>.</summary>
    public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        foreach (ref readonly var message in batch.Span)
        {
            if (Find(message) is not null)
            {
                return SplitAsync(batch, results, cancellationToken);
            }
        }

        return publisher.PublishAsync(batch, results, cancellationToken);
    }

    private string? Find(in OutgoingMessage message) =>
        message.Destination.Kind == DestinationKind.Topic ? topics.GetValueOrDefault(message.Destination.Name) : null;

    private async ValueTask SplitAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        var call = publisher.Begin();
        var (sent, left) = (new List<int>(batch.Length), new List<int>());
        for (var i = 0; i < batch.Length; i++)
        {
            var message = batch.Span[i];
            if (Find(message) is not { } subject)
            {
                left.Add(i);
            }
            else if (WhyRefused(message, subject, out var id) is { } refusal)
            {
                results.Span[i] = new(PublishStatus.Rejected, refusal);
            }
            else
            {
                // As to a queue, so that the topic travels: the subject does not tell it.
                call.Add(new(subject, message.Envelope, id, DestinationKind.Queue, i));
                sent.Add(i);
            }
        }

        await publisher.SendAsync(call, results, cancellationToken).ConfigureAwait(false);
        foreach (var i in sent)
        {
            if (results.Span[i].Status == PublishStatus.Unroutable)
            {
                results.Span[i] = new(PublishStatus.Rejected, Error(batch.Span[i], Find(batch.Span[i])!, "no stream takes it. Add the subject to one, or correct the mapping"));
            }
        }

        if (left.Count > 0)
        {
            var rest = new PublishResult[left.Count];
            await publisher.PublishAsync(left.Select(i => batch.Span[i]).ToArray(), rest, cancellationToken).ConfigureAwait(false);
            for (var i = 0; i < rest.Length; i++)
            {
                results.Span[left[i]] = rest[i];
            }
        }
    }

    private Exception? WhyRefused(in OutgoingMessage message, string subject, out string id)
    {
        id = "";
        if (message.Delay > TimeSpan.Zero)
        {
            return Error(message, subject, "with a delay: messages wait in the stream of a queue of Postrider's, and there is none. Publish it when it is due");
        }

        try
        {
            id = NatsPublisher.TopicId(message);
            return null;
        }
        catch (ArgumentException e)
        {
            return e;
        }
    }

    private TransportException Error(in OutgoingMessage message, string subject, string why) => new(
        $"Cannot publish the topic '{message.Destination.Name}', which is mapped to the subject '{subject}' on NATS at {publisher.Where}: {why}.", TransportError.Other);
}
