namespace Postrider;

/// <summary>Publishing and sending many messages, with a result for each.</summary>
public static class MessageBusBatches
{
    /// <summary>How many are on their way at once.</summary>
    private const int Window = 1000;

    /// <summary>Publishes messages, each as <see cref="IMessageBus.PublishAsync"/> does, up to a thousand at once. They set out in their order.</summary>
    /// <param name="bus">The bus.</param>
    /// <param name="messages">The messages.</param>
    /// <param name="options">The options of each; null: none.</param>
    /// <param name="cancellationToken">Sets no more out. Those on their way may have been stored.</param>
    /// <returns>What became of each, in the order of the messages. A message that was not published is no exception here.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is on its way any more.</exception>
    public static ValueTask<IReadOnlyList<PublishedItem>> PublishBatchAsync<TMessage>(
        this IMessageBus bus, IEnumerable<TMessage> messages, Func<TMessage, PublishOptions?>? options = null, CancellationToken cancellationToken = default)
        where TMessage : notnull
    {
        ArgumentNullException.ThrowIfNull(bus);
        return EachAsync(messages, message => bus.PublishAsync(message, options?.Invoke(message), cancellationToken), cancellationToken);
    }

    /// <summary>As <see cref="PublishBatchAsync"/>, to one queue.</summary>
    public static ValueTask<IReadOnlyList<PublishedItem>> SendBatchAsync<TMessage>(
        this IMessageBus bus, string queue, IEnumerable<TMessage> messages, Func<TMessage, PublishOptions?>? options = null,
        CancellationToken cancellationToken = default)
        where TMessage : notnull
    {
        ArgumentNullException.ThrowIfNull(bus);
        return EachAsync(messages, message => bus.SendAsync(queue, message, options?.Invoke(message), cancellationToken), cancellationToken);
    }

    private static async ValueTask<IReadOnlyList<PublishedItem>> EachAsync<TMessage>(
        IEnumerable<TMessage> messages, Func<TMessage, ValueTask<PublishReceipt>> publish, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var items = new List<PublishedItem>();
        var running = new List<Task<PublishedItem>>();
        foreach (var some in messages.Chunk(Window))
        {
            cancellationToken.ThrowIfCancellationRequested();
            running.Clear();
            foreach (var message in some)
            {
                running.Add(ItemAsync(message, publish));
            }

            items.AddRange(await Task.WhenAll(running).ConfigureAwait(false));
        }

        return items;
    }

    private static async Task<PublishedItem> ItemAsync<TMessage>(TMessage message, Func<TMessage, ValueTask<PublishReceipt>> publish)
    {
        try
        {
            var receipt = await publish(message).ConfigureAwait(false);
            return new(receipt.MessageId, receipt.Status);
        }
        catch (PublishException e)
        {
            return new(e.MessageId, e.Status, e);
        }
    }
}

/// <summary>What became of one message of a batch.</summary>
/// <param name="MessageId">Its id.</param>
/// <param name="Status">What is known.</param>
/// <param name="Error">Why it was not published; null if it was.</param>
public sealed record PublishedItem(string MessageId, PublishStatus Status, PublishException? Error = null);
