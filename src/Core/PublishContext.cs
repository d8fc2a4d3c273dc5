using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider;

/// <summary>The message that is being published. Valid until the publish returns; not thread-safe.</summary>
public sealed class PublishContext
{
    internal PublishContext(object message, MessageType type, Destination destination, PublishOptions options, CancellationToken cancellationToken)
    {
        Message = message;
        Type = type;
        Destination = destination;
        Options = options;
        CancellationToken = cancellationToken;
    }

    /// <summary>The message, not yet serialized.</summary>
    public object Message { get; }

    /// <summary>The stable name of its type; null for text and bytes whose type the options do not name.</summary>
    public string? MessageType => Type.Name ?? Options.MessageType;

    /// <summary>Where it goes.</summary>
    public Destination Destination { get; }

    /// <summary>Its options, completed by the defaults. A middleware may replace them: <c>context.Options = context.Options with { Key = … }</c>. The topic is already decided.</summary>
    public PublishOptions Options { get; set; }

    /// <summary>The caller's token.</summary>
    public CancellationToken CancellationToken { get; }

    internal MessageType Type { get; }

    /// <summary>When it expires, if that is not counted from the publish on.</summary>
    internal DateTimeOffset? ExpiresAt { get; set; }
}
