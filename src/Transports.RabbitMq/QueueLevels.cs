using Postrider.Core.Transport;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>
/// What makes a queue one with priorities: a quorum queue for each level, and before them the exchange <c>QUEUE~levels</c>, to which the queue's bindings lead instead
/// of to the queue itself. It leads a message by its header to the queue of its level, and what has none, or none that is there, to <c>QUEUE~default</c> and so to the queue.
/// </summary>
/// <remarks>The broker chooses, so no publisher needs to know which queues have levels, and a message gets to all its queues at once or to none.</remarks>
internal static class QueueLevels
{
    private const string Infix = "~levels";

    /// <summary>What the default level has no need of.</summary>
    private static readonly int[] Others = [.. Enumerable.Range(Priorities.Lowest, Priorities.Count).Reverse().Where(static level => level != Priorities.Default)];

    public static string Exchange(string queue) => queue + Infix;

    /// <summary>The queues of the levels, but for the queue itself.</summary>
    public static IEnumerable<string> SubQueues(string queue) => Others.Select(level => Priorities.SubQueue(queue, level));

    /// <summary>Whether the message goes to another level than the default one, where there are levels. Dead-letter queues have none.</summary>
    public static bool Concern(in OutgoingMessage message) =>
        Priorities.LevelOf(message.Envelope) != Priorities.Default
        && message.Destination.Kind == DestinationKind.Queue && !Names.IsDeadLetterQueue(message.Destination.Name);

    /// <summary>Whether anybody has given the queue priorities.</summary>
    public static async ValueTask<bool> ExistAsync(Connections connections, string queue, CancellationToken cancellationToken)
    {
        if (Names.IsDeadLetterQueue(queue))
        {
            return false;
        }

        try
        {
            return await connections.WithChannelAsync(
                "look for priorities",
                async channel =>
                {
                    await channel.ExchangeDeclarePassiveAsync(Exchange(queue)).ConfigureAwait(false);
                    return true;
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (TransportException e) when (e.InnerException is RabbitMQ.Client.Exceptions.OperationInterruptedException { ShutdownReason.ReplyCode: RabbitMqErrors.NotFound })
        {
            return false;
        }
    }

    /// <summary>Before bindings lead here. Everything goes to the queue itself, until <see cref="DeclareQueuesAsync"/>.</summary>
    public static async Task DeclareExchangesAsync(IChannel channel, string queue)
    {
        var rest = queue + "~default";
        await channel.ExchangeDeclareAsync(rest, ExchangeType.Fanout, durable: true, autoDelete: false).ConfigureAwait(false);
        await channel.QueueBindAsync(queue, rest, "").ConfigureAwait(false);
        await channel.ExchangeDeclareAsync(
            Exchange(queue), ExchangeType.Headers, durable: true, autoDelete: false, new Dictionary<string, object?> { ["alternate-exchange"] = rest }).ConfigureAwait(false);
    }

    /// <summary>Lets a binding lead to the levels. While it leads to the queue as well, a message of the default level still gets there once.</summary>
    public static async Task BindAsync(IChannel channel, string queue, string exchange, string pattern)
    {
        await channel.ExchangeBindAsync(Exchange(queue), exchange, pattern).ConfigureAwait(false);
        await channel.QueueUnbindAsync(queue, exchange, pattern).ConfigureAwait(false);
    }

    /// <summary>When no binding leads to the queue itself any more, as a message would get to the queue and to its level.</summary>
    public static async Task DeclareQueuesAsync(IChannel channel, string queue)
    {
        foreach (var level in Others)
        {
            var sub = Priorities.SubQueue(queue, level);
            await RabbitMqTopology.DeclareQueueAsync(channel, sub).ConfigureAwait(false);
            await channel.QueueBindAsync(
                sub, Exchange(queue), "", new Dictionary<string, object?> { ["x-match"] = "all-with-x", [EnvelopeMapper.Level] = EnvelopeMapper.Levels[level] }).ConfigureAwait(false);
        }
    }
}
