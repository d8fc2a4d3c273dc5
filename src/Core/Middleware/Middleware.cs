namespace Postrider;

/// <summary>The rest of the publish chain.</summary>
public delegate ValueTask<PublishReceipt> PublishDelegate(PublishContext context);

/// <summary>Wraps the publish chain. Built once at start: the first registered is outermost.</summary>
public delegate PublishDelegate PublishMiddleware(PublishDelegate next);

/// <summary>The rest of the consume chain: the inner middlewares, decoding, and the consumer.</summary>
public delegate ValueTask<Outcome> ConsumeDelegate(ConsumeContext context);

/// <summary>Wraps the consume chain. Built once at start: the first registered is outermost, global ones outside those of one consumer.</summary>
/// <remarks>An exception that leaves the chain becomes an outcome by the consumer's <see cref="RetryPolicy"/>, nowhere else.</remarks>
public delegate ConsumeDelegate ConsumeMiddleware(ConsumeDelegate next);

/// <summary>A publish middleware as a class: one for the host, from dependency injection. Thread-safe.</summary>
public interface IPublishMiddleware
{
    /// <summary>Does its work around <paramref name="rest"/>; whoever does not call it ends the publish, with a receipt of his own.</summary>
    ValueTask<PublishReceipt> PublishAsync(PublishContext context, PublishDelegate rest);
}

/// <summary>A consume middleware as a class: from the delivery's own scope, as consumers are.</summary>
public interface IConsumeMiddleware
{
    /// <summary>Does its work around <paramref name="rest"/>; whoever does not call it ends the delivery, with an outcome of his own.</summary>
    ValueTask<Outcome> ConsumeAsync(ConsumeContext context, ConsumeDelegate rest);
}
