namespace Postrider;

/// <summary>Handles messages of one type. Made anew from dependency injection for each delivery, in a scope of its own.</summary>
public interface IConsumer<in TMessage>
    where TMessage : notnull
{
    /// <summary>Handles one delivery. Deliveries are at least once: the same message may come again.</summary>
    /// <param name="message">The decoded message.</param>
    /// <param name="context">The delivery's metadata.</param>
    /// <param name="cancellationToken">Cancelled when the lease was lost, or when the drain at shutdown ran out of time.</param>
    /// <returns>What the delivery came to. An exception is turned into an outcome by the consumer's <see cref="RetryPolicy"/>.</returns>
    ValueTask<Outcome> ConsumeAsync(TMessage message, ConsumeContext context, CancellationToken cancellationToken);
}
