namespace Postrider.Core.Transport;

/// <summary>Where a message goes: to every queue bound to a topic, or to one queue.</summary>
/// <param name="Kind">Topic or queue.</param>
/// <param name="Name">Its name.</param>
public readonly record struct Destination(DestinationKind Kind, string Name)
{
    /// <summary>Each queue bound to the topic gets a copy; one queue gets one copy however many of its bindings match.</summary>
    public static Destination Topic(string name) => new(DestinationKind.Topic, name);

    /// <summary>One queue.</summary>
    public static Destination Queue(string name) => new(DestinationKind.Queue, name);

    /// <inheritdoc/>
    public override string ToString() => Kind == DestinationKind.Topic ? $"topic '{Name}'" : $"queue '{Name}'";
}

/// <summary>The two kinds of destination.</summary>
public enum DestinationKind
{
    /// <summary>Publish: a copy for each bound queue.</summary>
    Topic,

    /// <summary>Send: to one queue.</summary>
    Queue,
}

/// <summary>A message on its way out.</summary>
/// <param name="Destination">Where it goes.</param>
/// <param name="Envelope">What goes there.</param>
/// <param name="Delay">How long it stays invisible, counted on the server's clock; the bindings of its topic are resolved at once.</param>
public readonly record struct OutgoingMessage(Destination Destination, Envelope Envelope, TimeSpan Delay = default)
{
    /// <summary>By what a broker that finds duplicates knows it, if that is not the message's id: a replay is no duplicate of what it replays.</summary>
    public string? DuplicateId { get; init; }
}

/// <summary>The result of publishing one message.</summary>
/// <param name="Status">What became of it.</param>
/// <param name="Error">Why, when it is neither stored nor a duplicate.</param>
public readonly record struct PublishResult(PublishStatus Status, Exception? Error = null);
