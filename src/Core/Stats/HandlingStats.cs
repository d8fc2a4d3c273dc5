
namespace Postrider.Core.Stats;

/// <summary>What was handled: by one consumer, or by several together. Immutable.</summary>
public sealed record HandlingStats
{
    /// <summary>The queue; null if it is of several.</summary>
    public string? Queue { get; init; }

    /// <summary>The consumer; null if it is of several, or of what no consumer of the queue takes.</summary>
    public string? Consumer { get; init; }

    /// <summary>
    /// The name of the message type, that of now for messages that bear a former one; null if it is of several, of text and bytes, or of what no consumer takes.
    /// </summary>
    public string? Type { get; init; }

    /// <summary>The counts since the start.</summary>
    public HandlingCounts Counts { get; init; }

    /// <summary>How many a second came to an outcome.</summary>
    public Rates HandledRate { get; init; }

    /// <summary>How many of them a second came from an exception.</summary>
    public Rates FailedRate { get; init; }

    /// <summary>How many of them a second are to be tried again.</summary>
    public Rates RetriedRate { get; init; }

    /// <summary>How many of them a second became dead letters.</summary>
    public Rates DeadLetteredRate { get; init; }

    /// <summary>How long handlers ran in the last five to six minutes, scope, middlewares and transaction included.</summary>
    public Durations Handling { get; init => field = value ?? Durations.None; } = Durations.None;

    /// <summary>
    /// How long, in the same time, first attempts had waited since they were sent, by the clocks of the publisher and of this host. Redeliveries and messages
    /// that do not tell when they were sent are left out; a delay that the publisher asked for is part of it.
    /// </summary>
    public Durations Waiting { get; init => field = value ?? Durations.None; } = Durations.None;

    /// <summary>Both together, as those of the first one.</summary>
    public HandlingStats Merge(HandlingStats other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return this with
        {
            Counts = Counts + other.Counts,
            HandledRate = HandledRate + other.HandledRate,
            FailedRate = FailedRate + other.FailedRate,
            RetriedRate = RetriedRate + other.RetriedRate,
            DeadLetteredRate = DeadLetteredRate + other.DeadLetteredRate,
            Handling = Handling.Merge(other.Handling),
            Waiting = Waiting.Merge(other.Waiting),
        };
    }
}

/// <summary>What was published of one message type, or of several together. Immutable.</summary>
public sealed record PublishStats
{
    /// <summary>The name of the message type; null for text and bytes, whatever they are called, and if it is of several.</summary>
    public string? Type { get; init; }

    /// <summary>Stored by the broker. What is published in a database transaction counts when it is published, whatever becomes of the transaction.</summary>
    public long Stored { get; init; }

    /// <summary>The broker had it already.</summary>
    public long Duplicate { get; init; }

    /// <summary>To a topic without any queue, or to a queue that does not exist.</summary>
    public long Unroutable { get; init; }

    /// <summary>Not published, since publishing is switched off.</summary>
    public long Suppressed { get; init; }

    /// <summary>Refused, not sent in time, cancelled, or not confirmed: whoever published it got an exception.</summary>
    public long Failed { get; init; }

    /// <summary>How many a second were stored.</summary>
    public Rates StoredRate { get; init; }

    /// <summary>All of them.</summary>
    public long Published => Stored + Duplicate + Unroutable + Suppressed + Failed;

    /// <summary>Both together, as those of the first one.</summary>
    public PublishStats Merge(PublishStats other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return this with
        {
            Stored = Stored + other.Stored,
            Duplicate = Duplicate + other.Duplicate,
            Unroutable = Unroutable + other.Unroutable,
            Suppressed = Suppressed + other.Suppressed,
            Failed = Failed + other.Failed,
            StoredRate = StoredRate + other.StoredRate,
        };
    }
}
