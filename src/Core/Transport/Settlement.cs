namespace Postrider.Core.Transport;

/// <summary>What the broker is told about a delivery.</summary>
public enum SettlementKind
{
    /// <summary>Done: the message leaves the queue.</summary>
    Ack,

    /// <summary>Handed out again after the delay, with <see cref="Envelope.Attempt"/> one higher and redeliveries counted from zero.</summary>
    Retry,

    /// <summary>Moved to the dead-letter queue; the copy is durable before the original leaves. If it cannot be written the original stays.</summary>
    DeadLetter,

    /// <summary>
    /// Handed back untouched: the same attempt. It is not counted as a redelivery where the broker can tell it apart, and that of a suspect
    /// (<see cref="Delivery.IsSuspect"/>) on no transport, if need be by a confirmed republish that carries the count.
    /// </summary>
    Release,
}

/// <summary>How one delivery is to be settled.</summary>
public readonly record struct Settlement
{
    private Settlement(Delivery delivery, SettlementKind kind, TimeSpan delay, DeadLetterInfo? deadLetter) =>
        (Delivery, Kind, Delay, Info) = (delivery, kind, delay, deadLetter);

    /// <summary>The delivery; it must come from the receiver that settles it.</summary>
    public Delivery Delivery { get; }

    /// <summary>What is to happen.</summary>
    public SettlementKind Kind { get; }

    /// <summary>For a retry: how long to wait, never less. Counts from the settlement, on the server's clock where it has one.</summary>
    public TimeSpan Delay { get; }

    /// <summary>For a dead letter: the reason and history that go with the copy.</summary>
    public DeadLetterInfo? Info { get; }

    /// <summary>Done.</summary>
    public static Settlement Ack(Delivery delivery) => new(delivery, SettlementKind.Ack, TimeSpan.Zero, null);

    /// <summary>Again, after a delay.</summary>
    public static Settlement Retry(Delivery delivery, TimeSpan delay) =>
        new(delivery, SettlementKind.Retry, delay < TimeSpan.Zero ? TimeSpan.Zero : delay, null);

    /// <summary>To the dead-letter queue.</summary>
    public static Settlement DeadLetter(Delivery delivery, DeadLetterInfo info) => new(delivery, SettlementKind.DeadLetter, TimeSpan.Zero, info);

    /// <summary>Back into the queue, untouched.</summary>
    public static Settlement Release(Delivery delivery) => new(delivery, SettlementKind.Release, TimeSpan.Zero, null);
}

/// <summary>Whether a settlement took effect.</summary>
public enum SettleStatus
{
    /// <summary>The broker has it. Where brokers do not confirm settlements: it is written to the socket.</summary>
    Settled,

    /// <summary>No effect: the lease was over and another holds the message, or it was settled before.</summary>
    Lost,

    /// <summary>It could not be told to the broker; the message stays ours until the lease is over. May be tried again.</summary>
    Failed,
}

/// <summary>The result of one settlement.</summary>
/// <param name="Status">Whether it took effect.</param>
/// <param name="Error">For <see cref="SettleStatus.Failed"/>: why.</param>
public readonly record struct SettleResult(SettleStatus Status, Exception? Error = null)
{
    /// <summary>It took effect.</summary>
    public static SettleResult Settled => new(SettleStatus.Settled);

    /// <summary>It had no effect.</summary>
    public static SettleResult Lost => new(SettleStatus.Lost);

    /// <summary>It could not be told to the broker.</summary>
    public static SettleResult Failed(Exception error) => new(SettleStatus.Failed, error);
}
