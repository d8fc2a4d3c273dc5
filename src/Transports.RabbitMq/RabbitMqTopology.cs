using Postrider.Core.Transport;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>
/// What is on the broker: the topic exchange <c>postrider.topics</c>, a quorum queue and its dead-letter queue under their own names, and
/// bindings by the patterns as they are. Arguments never change and come from no option, since the broker compares them.
/// </summary>
internal sealed class RabbitMqTopology(Connections connections, BindingRegistry registry, bool create)
{
    public const string Topics = "postrider.topics";

    /// <summary>RabbitMQ 4 drops a message after 20 hand-outs if nothing else is said. How many are too many is the Core's to say.</summary>
    private const int DeliveryLimit = 2_000_000_000;

    public async ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken)
    {
        string[] names = [.. topology.Queues, .. topology.Queues.Select(Names.DeadLetterQueue)];
        var areNew = create && !await NewQueues.ExistAsync(connections, names, cancellationToken).ConfigureAwait(false);
        await connections.WithChannelAsync(
            "declare queues", channel => create ? DeclareAsync(channel, topology) : LookAsync(channel, topology), cancellationToken).ConfigureAwait(false);
        if (areNew)
        {
            await NewQueues.SecureAsync(connections, cancellationToken).ConfigureAwait(false);
        }

        if (create && topology.Bindings.Count > 0)
        {
            await registry.AddAsync(topology.Bindings, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>For a publisher that found it missing. The bindings come back when their consumers declare them.</summary>
    public static Task DeclareTopicsAsync(IChannel channel) => channel.ExchangeDeclareAsync(Topics, ExchangeType.Topic, durable: true, autoDelete: false);

    private static async Task<bool> DeclareAsync(IChannel channel, Topology topology)
    {
        await DeclareTopicsAsync(channel).ConfigureAwait(false);
        if (topology.Queues.Count == 0)
        {
            return true;
        }

        await channel.ExchangeDeclareAsync(DelayLadder.End, ExchangeType.Topic, durable: true, autoDelete: false).ConfigureAwait(false);
        foreach (var queue in topology.Queues)
        {
            await DeclareQueueAsync(channel, Names.DeadLetterQueue(queue)).ConfigureAwait(false);
            await DeclareQueueAsync(channel, queue).ConfigureAwait(false);
            // So that delayed messages of a queue that was deleted, and is made again, find it.
            await channel.QueueBindAsync(queue, DelayLadder.End, DelayLadder.EndPattern(queue), noWait: true).ConfigureAwait(false);
        }

        foreach (var binding in topology.Bindings)
        {
            await channel.QueueBindAsync(binding.Queue, Topics, binding.Pattern, noWait: true).ConfigureAwait(false);
        }

        // Its answer tells that everything before it was done.
        await channel.ExchangeDeclarePassiveAsync(Topics).ConfigureAwait(false);
        return true;
    }

    private static Task<QueueDeclareOk> DeclareQueueAsync(IChannel channel, string name) => channel.QueueDeclareAsync(
        name, durable: true, exclusive: false, autoDelete: false,
        new Dictionary<string, object?> { ["x-queue-type"] = "quorum", ["x-delivery-limit"] = DeliveryLimit });

    private static async Task<bool> LookAsync(IChannel channel, Topology topology)
    {
        await channel.ExchangeDeclarePassiveAsync(Topics).ConfigureAwait(false);
        foreach (var queue in topology.Queues)
        {
            await channel.QueueDeclarePassiveAsync(queue).ConfigureAwait(false);
            await channel.QueueDeclarePassiveAsync(Names.DeadLetterQueue(queue)).ConfigureAwait(false);
        }

        return true;
    }
}
