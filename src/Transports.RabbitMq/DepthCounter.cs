using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq;

/// <summary>
/// How many messages a queue has: on the rungs of its delays, ready, on all its levels, and in this process's hands. AMQP does not tell what other processes hold unsettled,
/// nor, without taking it, how old a message is.
/// </summary>
internal sealed class DepthCounter(Connections connections)
{
    public async ValueTask<QueueDepth> OfAsync(string queue, CancellationToken cancellationToken)
    {
        var (delayed, ready, held) = (0L, 0L, 0L);
        // In the direction in which messages go: a retry takes one from a hand to a rung, the rungs lead down to the queue, and that to a hand again.
        for (var level = DelayTime.Levels - 1; level >= 0; level--)
        {
            delayed += await ReadyAsync(DelayLadder.Rung(queue, level), cancellationToken).ConfigureAwait(false) ?? 0;
        }

        if (await QueueLevels.ExistAsync(connections, queue, cancellationToken).ConfigureAwait(false))
        {
            foreach (var level in QueueLevels.SubQueues(queue))
            {
                ready += await ReadyAsync(level, cancellationToken).ConfigureAwait(false) ?? 0;
            }
        }

        ready += await ReadyAsync(queue, cancellationToken).ConfigureAwait(false)
            ?? throw new TransportException($"There is no queue '{queue}' on RabbitMQ at {connections.Where}.", TransportError.QueueNotFound);
        foreach (var (channel, of) in connections.Open)
        {
            held += of == queue ? channel.Held : 0;
        }

        return new(delayed + ready + held, ready, Unsettled: null, OldestAge: null);
    }

    /// <summary>Null if there is no such queue. A refusal costs the channel, so each question has its own.</summary>
    private async ValueTask<long?> ReadyAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            return await connections.WithChannelAsync(
                $"count the messages of '{name}'", async channel => (long)await channel.MessageCountAsync(name).ConfigureAwait(false), cancellationToken)
                .ConfigureAwait(false);
        }
        catch (TransportException e) when (e.Reason == TransportError.QueueNotFound)
        {
            return null;
        }
    }
}
