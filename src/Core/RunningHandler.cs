namespace Postrider;

/// <summary>A handler that runs (<see cref="MessagingStatus.Running"/>), as of a moment.</summary>
public sealed record RunningHandler
{
    /// <summary>The id of the message that it handles.</summary>
    public required string MessageId { get; init; }

    /// <summary>The stable name of its type; null for a foreign message that names none.</summary>
    public string? MessageType { get; init; }

    /// <summary>The queue.</summary>
    public required string Queue { get; init; }

    /// <summary>The name of the consumer; null if the queue has none for the message.</summary>
    public string? Consumer { get; init; }

    /// <summary>1 for the first handler run.</summary>
    public required int Attempt { get; init; }

    /// <summary>For how long it has run, with its middlewares; in a batch, for how long the batch has.</summary>
    public required TimeSpan Age { get; init; }

    /// <summary>It has run for longer than <see cref="ConsumerOptions.HungAfter"/>.</summary>
    public bool IsHung { get; init; }

    /// <summary>One line for people.</summary>
    public override string ToString() =>
        $"{Queue}: {Consumer ?? "no consumer"} has run for {Age} with the message {MessageId} ({MessageType ?? "no type"}), attempt {Attempt}{(IsHung ? ", and hangs" : "")}";
}
