namespace Postrider.Transports.RabbitMq;

/// <summary>Makes a broker that has no streams yet ready for one that survives a kill.</summary>
/// <remarks>
/// RabbitMQ (seen on 3.10 and 4.3) writes down some 3 seconds after making its first stream that it has streams at all. Killed before that, it knows only the stream's
/// name: it cannot be used any more, and on 3.10 not even be deleted. Streams that are made later are not concerned. So the first one is for nothing.
/// </remarks>
internal static class FirstStream
{
    private static readonly TimeSpan Written = TimeSpan.FromSeconds(4);
    private static readonly Dictionary<string, object?> Stream = new() { ["x-queue-type"] = "stream" };

    /// <summary>Before the stream is made, if it is not there. Takes some 4 seconds then.</summary>
    public static async ValueTask SecureAsync(Connections connections, string name, CancellationToken cancellationToken)
    {
        if (await NewQueues.ExistAsync(connections, [name], cancellationToken).ConfigureAwait(false))
        {
            return;
        }

        var first = "postrider.new~" + Guid.NewGuid().ToString("N");
        await connections.WithChannelAsync(
            "make a stream", channel => channel.QueueDeclareAsync(first, durable: true, exclusive: false, autoDelete: false, Stream), cancellationToken).ConfigureAwait(false);
        await Task.Delay(Written, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        await connections.WithChannelAsync(
            "delete a stream", channel => channel.QueueDeleteAsync(first, ifUnused: false, ifEmpty: false), cancellationToken).ConfigureAwait(false);
    }
}
