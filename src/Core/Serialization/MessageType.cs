using System.Buffers;
using System.Reflection;
using System.Text;
using Postrider.Core.Transport;

namespace Postrider.Core.Serialization;

/// <summary>A message type's stable name, and how to serialize a message of it without reflection.</summary>
internal abstract class MessageType(string name)
{
    public string Name { get; } = name;

    public abstract void Serialize(IMessageSerializer serializer, IBufferWriter<byte> output, object message);

    /// <summary><c>OrderPlaced</c> becomes <c>order-placed</c>, <c>HTTPCall</c> <c>http-call</c>, <c>Pair`2</c> <c>pair</c>.</summary>
    public static string KebabCase(string typeName)
    {
        var generic = typeName.IndexOf('`', StringComparison.Ordinal);
        var source = generic < 0 ? typeName : typeName[..generic];
        var kebab = new StringBuilder(source.Length + 8);
        for (var i = 0; i < source.Length; i++)
        {
            var c = source[i];
            if (!char.IsAsciiLetterOrDigit(c))
            {
                kebab.Append('-');
                continue;
            }

            var startsWord = char.IsAsciiLetterUpper(c) && i > 0 && source[i - 1] != '_'
                && (!char.IsAsciiLetterUpper(source[i - 1]) || (i + 1 < source.Length && char.IsAsciiLetterLower(source[i + 1])));
            if (startsWord)
            {
                kebab.Append('-');
            }

            kebab.Append(char.ToLowerInvariant(c));
        }

        return kebab.ToString();
    }
}

/// <summary>The closed generic, one for each message type used.</summary>
internal sealed class MessageType<TMessage> : MessageType
    where TMessage : notnull
{
    private static MessageType<TMessage>? s_instance;

    private MessageType(string name)
        : base(name)
    {
    }

    /// <exception cref="MessagingConfigurationException">The type cannot have a stable name.</exception>
    public static MessageType<TMessage> Instance => s_instance ??= new(NameOf());

    public override void Serialize(IMessageSerializer serializer, IBufferWriter<byte> output, object message) =>
        serializer.Serialize(output, (TMessage)message);

    private static string NameOf()
    {
        if (typeof(TMessage) == typeof(object))
        {
            throw new MessagingConfigurationException("A message is published and consumed as its own type, not as object: the type gives it its name.");
        }

        var attribute = typeof(TMessage).GetCustomAttribute<MessageAttribute>(inherit: false);
        var name = attribute?.Name ?? KebabCase(typeof(TMessage).Name);
        return Names.WhyIllegalTopic(name) is { } why
            ? throw new MessagingConfigurationException($"The message type {typeof(TMessage)} has an illegal name. {why}")
            : name;
    }
}
