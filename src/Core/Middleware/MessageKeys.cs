namespace Postrider;

/// <summary>Keys that messages have unless their publisher gave them.</summary>
public static class MessageKeys
{
    /// <summary>Gives each published message of a type a key, unless its options or their defaults have one.</summary>
    /// <param name="messaging">The registration.</param>
    /// <param name="key">Makes the key of a message; null from it: none for this message.</param>
    public static MessagingBuilder UseKey<TMessage>(this MessagingBuilder messaging, Func<TMessage, string?> key)
        where TMessage : notnull
    {
        ArgumentNullException.ThrowIfNull(messaging);
        ArgumentNullException.ThrowIfNull(key);
        return messaging.PublishesOf<TMessage>(rules => rules.Use(next => context =>
        {
            if (context.Options.Key is null && key((TMessage)context.Message) is { } made)
            {
                context.Options = context.Options with { Key = made };
            }

            return next(context);
        }));
    }
}
