namespace Postrider.Testing;

/// <summary>What a run promised, for <see cref="Ledger.Check"/>.</summary>
public sealed record LedgerRules
{
    /// <summary>
    /// The queues that must each get a copy of every message published to a topic.
    /// Null: it is enough that any queue got it. A message sent to a queue must have come to that queue in either case.
    /// </summary>
    public IReadOnlyList<string>? Queues { get; init; }

    /// <summary>How far a message may come before its time, for brokers whose clock differs from the publisher's. Zero by default.</summary>
    public TimeSpan EarlyTolerance { get; init; }
}
