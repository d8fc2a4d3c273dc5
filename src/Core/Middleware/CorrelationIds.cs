using Postrider.Core.Publishing;

namespace Postrider;

/// <summary>Correlation ids for messages that begin a flow.</summary>
public static class CorrelationIds
{
    /// <summary>
    /// Gives a correlation id to each message that is published outside of a handler without one. Inside of a handler the flow's own is carried on, with
    /// or without this.
    /// </summary>
    /// <param name="messaging">The registration.</param>
    /// <param name="generate">Makes an id for a message; null: a UUID, version 7. Null from it: none for this message.</param>
    public static MessagingBuilder UseCorrelationIds(this MessagingBuilder messaging, Func<PublishContext, string?>? generate = null)
    {
        ArgumentNullException.ThrowIfNull(messaging);
        generate ??= static _ => Guid.CreateVersion7().ToString();
        return messaging.UsePublish(
            next => context =>
            {
                if (context.Options.CorrelationId is null && Cause.Current is null)
                {
                    context.Options = context.Options with { CorrelationId = generate(context) };
                }

                return next(context);
            },
            "correlation ids");
    }
}
