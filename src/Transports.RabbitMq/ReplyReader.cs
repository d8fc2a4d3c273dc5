using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq;

/// <summary>Reads a queue for answers, which the broker deletes when nobody has read from it for a while.</summary>
internal sealed class ReplyReader(IReceiver receiver) : IReplyReader
{
    private const int Most = 256;

    /// <summary>Longer than a broker takes to start again. Constant, since the broker compares it.</summary>
    private const int ExpiresMilliseconds = 5 * 60 * 1000;

    /// <summary>Quorum, so that it outlives a node of a cluster as all others do.</summary>
    private static readonly Dictionary<string, object?> Arguments = new() { ["x-queue-type"] = "quorum", ["x-expires"] = ExpiresMilliseconds };

    public static async ValueTask<ReplyReader> OpenAsync(Connections connections, DelayedPublisher publisher, string queue, CancellationToken cancellationToken)
    {
        var isNew = !await NewQueues.ExistAsync(connections, [queue], cancellationToken).ConfigureAwait(false);
        await connections.WithChannelAsync(
            "declare a queue for answers",
            channel => channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, Arguments), cancellationToken).ConfigureAwait(false);
        if (isNew)
        {
            await NewQueues.SecureAsync(connections, cancellationToken).ConfigureAwait(false);
        }

        var options = new ReceiverOptions { Queue = queue, Prefetch = Most };
        var channel = await ConsumerChannel.OpenAsync(connections, options).ConfigureAwait(false);
        return new(new RabbitMqReceiver(connections, publisher, options, channel));
    }

    public async ValueTask<IReadOnlyList<Envelope>> ReadAsync(CancellationToken cancellationToken)
    {
        var deliveries = await receiver.ReceiveAsync(Most, cancellationToken).ConfigureAwait(false);
        var (answers, acks) = (new Envelope[deliveries.Count], new Settlement[deliveries.Count]);
        for (var i = 0; i < answers.Length; i++)
        {
            // The body is the channel's again after the ack.
            answers[i] = deliveries[i].Envelope with { Body = deliveries[i].Envelope.Body.ToArray() };
            acks[i] = Settlement.Ack(deliveries[i]);
        }

        await receiver.SettleAsync(acks, new SettleResult[acks.Length], CancellationToken.None).ConfigureAwait(false);
        return answers;
    }

    public ValueTask DisposeAsync() => receiver.DisposeAsync();
}
