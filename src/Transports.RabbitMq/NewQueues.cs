namespace Postrider.Transports.RabbitMq;

/// <summary>Makes a quorum queue that was just declared survive a kill of the broker, together with the messages that it confirms.</summary>
/// <remarks>
/// RabbitMQ (seen on 3.10 and 4.3) writes down where a new queue's log is only some 3 seconds later. Killed before that, it starts the queue
/// anew and empty, or not at all: messages that were confirmed are gone. The declaration of another quorum queue makes it write at once what came
/// before. So one is declared, and deleted again.
/// </remarks>
internal static class NewQueues
{
    private static readonly Dictionary<string, object?> Quorum = new() { ["x-queue-type"] = "quorum" };

    /// <summary>Whether all of them are there already.</summary>
    public static async ValueTask<bool> ExistAsync(Connections connections, IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        if (names.Count == 0)
        {
            return true;
        }

        try
        {
            return await connections.WithChannelAsync(
                "look for queues",
                async channel =>
                {
                    foreach (var name in names)
                    {
                        await channel.QueueDeclarePassiveAsync(name).ConfigureAwait(false);
                    }

                    return true;
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (TransportException e) when (e.Reason == TransportError.QueueNotFound)
        {
            return false;
        }
    }

    public static async ValueTask SecureAsync(Connections connections, CancellationToken cancellationToken) => await connections.WithChannelAsync(
        "secure new queues",
        async channel =>
        {
            var name = "postrider.new~" + Guid.NewGuid().ToString("N");
            await channel.QueueDeclareAsync(name, durable: true, exclusive: false, autoDelete: false, Quorum).ConfigureAwait(false);
            return await channel.QueueDeleteAsync(name, ifUnused: false, ifEmpty: false).ConfigureAwait(false);
        },
        cancellationToken).ConfigureAwait(false);
}
