namespace Postrider;

/// <summary>Headers that messages have unless their publisher gave them.</summary>
public static class DefaultHeaders
{
    /// <summary>Gives each published message a header of this name, unless its options have one.</summary>
    /// <param name="messaging">The registration.</param>
    /// <param name="name">The header's name.</param>
    /// <param name="value">Its value.</param>
    public static MessagingBuilder UseHeader(this MessagingBuilder messaging, string name, string value) => UseHeader(messaging, name, _ => value);

    /// <summary>As <see cref="UseHeader(MessagingBuilder, string, string)"/>, with a value made for the message.</summary>
    /// <param name="messaging">The registration.</param>
    /// <param name="name">The header's name.</param>
    /// <param name="value">Makes the value, from the message or from anything else; null from it: no such header on this message.</param>
    public static MessagingBuilder UseHeader(this MessagingBuilder messaging, string name, Func<PublishContext, string?> value)
    {
        ArgumentNullException.ThrowIfNull(messaging);
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(value);
        return messaging.UsePublish(
            next => context =>
            {
                var headers = context.Options.Headers;
                if (headers?.ContainsKey(name) != true && value(context) is { } made)
                {
                    context.Options = context.Options with { Headers = new Dictionary<string, string>(headers ?? Core.Transport.Envelope.NoHeaders) { [name] = made } };
                }

                return next(context);
            },
            $"header {name}");
    }
}
