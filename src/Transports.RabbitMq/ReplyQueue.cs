using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq;

/// <summary>A queue for answers, which the broker deletes when nobody has read from it for a while.</summary>
internal static class ReplyQueue
{
    /// <summary>Longer than a broker takes to start again. Constant, since the broker compares it.</summary>
    private const int ExpiresMilliseconds = 5 * 60 * 1000;

    /// <summary>Quorum, so that it outlives a node of a cluster as all others do.</summary>
    private static readonly Dictionary<string, object?> Arguments = new() { ["x-queue-type"] = "quorum", ["x-expires"] = ExpiresMilliseconds };

    public static async ValueTask<IReplyReader> OpenAsync(Connections connections, DelayedPublisher publisher, string queue, CancellationToken cancellationToken)
    {
        var isNew = !await NewQueues.ExistAsync(connections, [queue], cancellationToken).ConfigureAwait(false);
        await connections.WithChannelAsync(
            "declare a queue for answers",
            channel => channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, Arguments), cancellationToken).ConfigureAwait(false);
        if (isNew)
        {
            await NewQueues.SecureAsync(connections, cancellationToken).ConfigureAwait(false);
        }

        var options = new ReceiverOptions { Queue = queue, Prefetch = ReceiverReplyReader.Most };
        var channel = await ConsumerChannel.OpenAsync(connections, options).ConfigureAwait(false);
        return new ReceiverReplyReader(new RabbitMqReceiver(connections, publisher, options, channel));
    }
}
