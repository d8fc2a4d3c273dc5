using Postrider.Core.Transport;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>All the queues that a queue consists of: the rungs of its delays, its levels, and itself. How much they hold, and emptying them.</summary>
internal sealed class QueueContents(Connections connections)
{
    /// <summary>
    /// How many messages a queue has: on the rungs of its delays, ready, on all its levels, and in this process's hands. AMQP does not tell what other processes hold unsettled,
    /// nor, without taking it, how old a message is.
    /// </summary>
    public async ValueTask<QueueDepth> CountAsync(string queue, CancellationToken cancellationToken)
    {
        // From the rungs a message goes to the queue, and that leads to a hand.
        var (delays, ready) = await SumAsync(queue, $"count the messages of '{queue}'", delayed: true, static (channel, name) => channel.MessageCountAsync(name), cancellationToken)
            .ConfigureAwait(false);
        var held = connections.Open.Sum(one => one.Value == queue ? one.Key.Held : 0);
        return new(delays + ready + held, ready, Unsettled: null, OldestAge: null);
    }

    /// <summary>Removes what waits. The broker leaves what is unsettled with those who have it.</summary>
    public async ValueTask<long> FlushAsync(string queue, bool delayed, CancellationToken cancellationToken)
    {
        var (delays, ready) = await SumAsync(queue, $"flush '{queue}'", delayed, static (channel, name) => channel.QueuePurgeAsync(name), cancellationToken).ConfigureAwait(false);
        return delays + ready;
    }

    /// <summary>In the direction in which messages go: a retry takes one from a hand to a rung, the rungs lead down to the queue, and that to a hand again.</summary>
    private async ValueTask<(long Delayed, long Ready)> SumAsync(string queue, string doing, bool delayed, Func<IChannel, string, Task<uint>> ask, CancellationToken cancellationToken)
    {
        if (Names.WhyIllegalQueue(queue) is { } why)
        {
            throw new MessagingConfigurationException(why);
        }

        var (delays, ready) = (0L, 0L);
        for (var level = DelayTime.Levels - 1; delayed && level >= 0; level--)
        {
            delays += await AskAsync(DelayLadder.Rung(queue, level)).ConfigureAwait(false) ?? 0;
        }

        if (await QueueLevels.ExistAsync(connections, queue, cancellationToken).ConfigureAwait(false))
        {
            foreach (var level in QueueLevels.SubQueues(queue))
            {
                ready += await AskAsync(level).ConfigureAwait(false) ?? 0;
            }
        }

        ready += await AskAsync(queue).ConfigureAwait(false)
            ?? throw new TransportException($"There is no queue '{queue}' on RabbitMQ at {connections.Where}.", TransportError.QueueNotFound);
        return (delays, ready);

        // Null if there is no such queue. A refusal costs the channel, so each question has its own.
        async ValueTask<long?> AskAsync(string name)
        {
            try
            {
                return await connections.WithChannelAsync(doing, channel => ask(channel, name), cancellationToken).ConfigureAwait(false);
            }
            catch (TransportException e) when (e.Reason == TransportError.QueueNotFound)
            {
                return null;
            }
        }
    }
}
