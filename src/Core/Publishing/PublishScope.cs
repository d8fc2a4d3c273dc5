using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider.Core.Publishing;

/// <summary>Which publishes something holds for: those of a type, those to a topic, or all.</summary>
internal sealed record PublishScope
{
    public static readonly PublishScope Everything = new();

    public MessageType? Type { get; init; }

    public string? Pattern { get; init; }

    public bool IsEverything => Type is null && Pattern is null;

    public bool Holds(MessageType type, Destination destination) => Type is not null
        ? Type == type
        : Pattern is null || (destination.Kind == DestinationKind.Topic && TopicPattern.Matches(Pattern, destination.Name));
}
