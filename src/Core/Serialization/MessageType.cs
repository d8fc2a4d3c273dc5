using System.Buffers;
using System.Collections.Immutable;
using System.Reflection;
using System.Text;
using Postrider.Core.Transport;

namespace Postrider.Core.Serialization;

/// <summary>A message type's stable name, and how to write a message of it without reflection.</summary>
/// <param name="name">Null for text and bytes.</param>
/// <param name="version">Of its schema, or null.</param>
/// <param name="aliases">Names it had before.</param>
internal abstract class MessageType(string? name, int? version, ImmutableArray<string> aliases)
{
    private static int s_last = -1;

    public string? Name { get; } = name;

    /// <summary>Counts the types of the process from 0 on, for whoever keeps something for each.</summary>
    public int Number { get; } = Interlocked.Increment(ref s_last);

    public int? Version { get; } = version;

    /// <summary>All that messages of the type may be called: its name first. Empty for text and bytes.</summary>
    public ImmutableArray<string> AllNames { get; } = name is null ? [] : [name, .. aliases];

    public bool IsNamed(string other) => AllNames.Contains(other, StringComparer.Ordinal);

    /// <summary>Why a message of the type cannot be published with these options, or null.</summary>
    public abstract string? WhyRefused(Serializers serializers, PublishOptions options);

    /// <summary>Writes the message, and tells of which content type it is.</summary>
    /// <param name="serializers">Those that are registered.</param>
    /// <param name="contentType">What is asked for, or null.</param>
    /// <param name="output">Where the body goes.</param>
    /// <param name="message">The message.</param>
    public abstract string Write(Serializers serializers, string? contentType, IBufferWriter<byte> output, object message);

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

    private MessageType(string? name, int? version, ImmutableArray<string> aliases, RawBody<TMessage>? raw)
        : base(name, version, aliases) => Raw = raw;

    /// <exception cref="MessagingConfigurationException">The type cannot have a stable name.</exception>
    public static MessageType<TMessage> Instance => s_instance ??= Create();

    /// <summary>How text and bytes travel; null for what is serialized.</summary>
    public RawBody<TMessage>? Raw { get; }

    public override string? WhyRefused(Serializers serializers, PublishOptions options)
    {
        if (Raw is not null)
        {
            return null;
        }

        return options.MessageType is not null ? $"A message of the type {typeof(TMessage)} has its own name; MessageType is for text and bytes."
            : serializers.Find(options.ContentType) is null ? $"No serializer is registered for the content type '{options.ContentType}'."
            : null;
    }

    public override string Write(Serializers serializers, string? contentType, IBufferWriter<byte> output, object message)
    {
        if (Raw is not null)
        {
            Raw.Write(output, (TMessage)message);
            return contentType ?? Raw.ContentType;
        }

        var serializer = serializers.Find(contentType)!;
        serializer.Serialize(output, (TMessage)message);
        return contentType ?? serializer.ContentType;
    }

    private static MessageType<TMessage> Create()
    {
        if (RawBody<TMessage>.Instance is { } raw)
        {
            return new(null, null, [], raw);
        }

        if (typeof(TMessage) == typeof(object))
        {
            throw new MessagingConfigurationException("A message is published and consumed as its own type, not as object: the type gives it its name.");
        }

        var attribute = typeof(TMessage).GetCustomAttribute<MessageAttribute>(inherit: false);
        var name = attribute?.Name ?? KebabCase(typeof(TMessage).Name);
        var aliases = attribute?.Aliases ?? [];
        foreach (var one in (IEnumerable<string>)[name, .. aliases])
        {
            if (Names.WhyIllegalTopic(one) is { } why)
            {
                throw new MessagingConfigurationException($"The message type {typeof(TMessage)} has an illegal name. {why}");
            }
        }

        if (aliases.Append(name).GroupBy(static one => one, StringComparer.Ordinal).FirstOrDefault(static same => same.Skip(1).Any()) is { } twice)
        {
            throw new MessagingConfigurationException($"The message type {typeof(TMessage)} has the name '{twice.Key}' twice, among its aliases.");
        }

        return attribute?.Version < 0
            ? throw new MessagingConfigurationException($"The message type {typeof(TMessage)} has the schema version {attribute.Version}; versions begin with 1.")
            : new(name, attribute?.Version is > 0 and var version ? version : null, [.. aliases], null);
    }
}
