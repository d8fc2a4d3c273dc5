using Postrider.Core.Transport;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>
/// What is on the broker: the topic exchange <c>postrider.topics</c>, a quorum queue and its dead-letter queue under their own names, and
/// bindings by the patterns as they are; for queues with priorities see <see cref="QueueLevels"/>. Arguments never change and come from no option, since the broker compares them.
/// </summary>
internal sealed class RabbitMqTopology(Connections connections, BindingRegistry registry, QueueNotes notes, bool create)
{
    public const string Topics = "postrider.topics";

    /// <summary>RabbitMQ 4 drops a message after 20 hand-outs if nothing else is said. How many are too many is the Core's to say.</summary>
    private const int DeliveryLimit = 2_000_000_000;

    public async ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken)
    {
        if (!create)
        {
            await connections.WithChannelAsync("look for queues", channel => LookAsync(channel, topology), cancellationToken).ConfigureAwait(false);
            return;
        }

        var leveled = new HashSet<string>(topology.PriorityQueues, StringComparer.Ordinal);
        await AddLeveledAsync(topology, leveled, cancellationToken).ConfigureAwait(false);
        string[] levels = [.. leveled.SelectMany(QueueLevels.SubQueues)];
        string[] names = [.. topology.Queues, .. topology.Queues.Select(Names.DeadLetterQueue)];
        var haveAllLevels = await NewQueues.ExistAsync(connections, levels, cancellationToken).ConfigureAwait(false);
        var areNew = !await NewQueues.ExistAsync(connections, names, cancellationToken).ConfigureAwait(false) || !haveAllLevels;
        await connections.WithChannelAsync("declare queues", channel => DeclareAsync(channel, topology, leveled), cancellationToken).ConfigureAwait(false);
        if (leveled.Count > 0)
        {
            // Bindings of others still lead to the queue itself.
            var others = haveAllLevels ? [] : await registry.OfAsync(leveled, cancellationToken).ConfigureAwait(false);
            await connections.WithChannelAsync("declare priorities", channel => DeclareLevelsAsync(channel, leveled, others), cancellationToken).ConfigureAwait(false);
        }

        if (areNew)
        {
            await NewQueues.SecureAsync(connections, cancellationToken).ConfigureAwait(false);
        }

        await notes.AddAsync(topology.Queues.Except(topology.Bindings.Select(static one => one.Queue)), cancellationToken).ConfigureAwait(false);
        if (topology.Bindings.Count > 0)
        {
            await registry.AddAsync(topology.Bindings, cancellationToken).ConfigureAwait(false);
        }

        // Whoever has given a queue priorities meanwhile knows either the bindings that were just made, or not; then they are led to the levels here.
        if (await AddLeveledAsync(topology, leveled, cancellationToken).ConfigureAwait(false))
        {
            await DeclareAsync(topology, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Those that some Postrider has declared and that are there: AMQP cannot list queues.</summary>
    public async ValueTask<IReadOnlyList<string>> ListAsync(string prefix, CancellationToken cancellationToken)
    {
        string[] noted = [.. (await registry.QueuesAsync(cancellationToken).ConfigureAwait(false)).Where(queue => queue.StartsWith(prefix, StringComparison.Ordinal))];
        if (await NewQueues.ExistAsync(connections, noted, cancellationToken).ConfigureAwait(false))
        {
            return noted;
        }

        var found = new List<string>();
        foreach (var queue in noted)
        {
            if (await NewQueues.ExistAsync(connections, [queue], cancellationToken).ConfigureAwait(false))
            {
                found.Add(queue);
            }
        }

        return found;
    }

    /// <summary>For a publisher that found them missing. The bindings come back when their consumers declare them.</summary>
    public static async Task DeclareExchangesAsync(IChannel channel)
    {
        await channel.ExchangeDeclareAsync(DelayLadder.End, ExchangeType.Topic, durable: true, autoDelete: false, noWait: true).ConfigureAwait(false);
        await channel.ExchangeDeclareAsync(Topics, ExchangeType.Topic, durable: true, autoDelete: false).ConfigureAwait(false);
    }

    public static Task<QueueDeclareOk> DeclareQueueAsync(IChannel channel, string name) => channel.QueueDeclareAsync(
        name, durable: true, exclusive: false, autoDelete: false,
        new Dictionary<string, object?> { ["x-queue-type"] = "quorum", ["x-delivery-limit"] = DeliveryLimit });

    /// <summary>Adds the queues that have priorities, whoever gave them.</summary>
    /// <returns>Whether there are any.</returns>
    private async ValueTask<bool> AddLeveledAsync(Topology topology, HashSet<string> leveled, CancellationToken cancellationToken)
    {
        var before = leveled.Count;
        foreach (var queue in topology.Queues)
        {
            if (!leveled.Contains(queue) && await QueueLevels.ExistAsync(connections, queue, cancellationToken).ConfigureAwait(false))
            {
                leveled.Add(queue);
            }
        }

        return leveled.Count > before;
    }

    private static async Task<bool> DeclareAsync(IChannel channel, Topology topology, HashSet<string> leveled)
    {
        await DeclareExchangesAsync(channel).ConfigureAwait(false);
        foreach (var queue in topology.Queues)
        {
            await DeclareQueueAsync(channel, Names.DeadLetterQueue(queue)).ConfigureAwait(false);
            await DeclareQueueAsync(channel, queue).ConfigureAwait(false);
            if (leveled.Contains(queue))
            {
                await QueueLevels.DeclareExchangesAsync(channel, queue).ConfigureAwait(false);
            }

            // So that delayed messages of a queue that was deleted, and is made again, find it.
            await BindAsync(queue, DelayLadder.End, DelayLadder.EndPattern(queue)).ConfigureAwait(false);
        }

        foreach (var binding in topology.Bindings)
        {
            await BindAsync(binding.Queue, Topics, binding.Pattern).ConfigureAwait(false);
        }

        // Its answer tells that everything before it was done.
        await channel.ExchangeDeclarePassiveAsync(Topics).ConfigureAwait(false);
        return true;

        Task BindAsync(string queue, string exchange, string pattern) => leveled.Contains(queue)
            ? QueueLevels.BindAsync(channel, queue, exchange, pattern)
            : channel.QueueBindAsync(queue, exchange, pattern, noWait: true);
    }

    private static async Task<bool> DeclareLevelsAsync(IChannel channel, HashSet<string> leveled, List<Binding> others)
    {
        foreach (var binding in others)
        {
            await QueueLevels.BindAsync(channel, binding.Queue, Topics, binding.Pattern).ConfigureAwait(false);
        }

        foreach (var queue in leveled)
        {
            await QueueLevels.DeclareQueuesAsync(channel, queue).ConfigureAwait(false);
        }

        return true;
    }

    private static async Task<bool> LookAsync(IChannel channel, Topology topology)
    {
        await channel.ExchangeDeclarePassiveAsync(Topics).ConfigureAwait(false);
        foreach (var queue in topology.Queues.Concat(topology.Queues.Select(Names.DeadLetterQueue)).Concat(topology.PriorityQueues.SelectMany(QueueLevels.SubQueues)))
        {
            await channel.QueueDeclarePassiveAsync(queue).ConfigureAwait(false);
        }

        return true;
    }
}
