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
public readonly record struct OutgoingMessage(Destination Destination, Envelope Envelope, TimeSpan Delay = default);

/// <summary>What became of one published message.</summary>
public enum PublishStatus
{
    /// <summary>The broker has it durably (where the broker and its settings are durable).</summary>
    Stored,

    /// <summary>The broker already had a message of this id; nothing was added.</summary>
    Duplicate,

    /// <summary>The queue does not exist, or no queue is bound to the topic: nothing was stored.</summary>
    Unroutable,

    /// <summary>The broker or the transport refuses this message (too large, an illegal name): trying again is useless.</summary>
    Rejected,

    /// <summary>It was not handed to the broker. Trying again cannot duplicate it.</summary>
    NotSent,

    /// <summary>It was handed over and no confirmation came: it may or may not be stored. Trying again may duplicate it.</summary>
    Unknown,
}

/// <summary>The result of publishing one message.</summary>
/// <param name="Status">What became of it.</param>
/// <param name="Error">Why, when it is neither stored nor a duplicate.</param>
public readonly record struct PublishResult(PublishStatus Status, Exception? Error = null);
