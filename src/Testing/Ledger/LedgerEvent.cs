using Postrider.Core.Transport;

namespace Postrider.Testing;

/// <summary>What happened to a message.</summary>
public enum LedgerEventKind
{
    /// <summary>A publish began.</summary>
    Publishing,

    /// <summary>The broker confirmed a publish.</summary>
    Confirmed,

    /// <summary>A publish ended and nothing was stored.</summary>
    Refused,

    /// <summary>A publish ended without confirmation: it may be stored.</summary>
    Unconfirmed,

    /// <summary>A delivery was handed out.</summary>
    HandedOut,

    /// <summary>A handler ended with success. Without such events, telling the broker the ack stands for it.</summary>
    Handled,

    /// <summary>A handler failed.</summary>
    Failed,

    /// <summary>The broker is being told what became of a delivery.</summary>
    Settling,

    /// <summary>A settlement took effect.</summary>
    Settled,

    /// <summary>A settlement had no effect: the lease was over, or it was settled before.</summary>
    SettlementLost,

    /// <summary>A settlement could not be told; it may have taken effect.</summary>
    SettlementFailed,

    /// <summary>At the end of the run the message was found in this queue (a dead-letter queue, or still waiting).</summary>
    Found,
}

/// <summary>One thing that happened to one message. Times are those of the recording process's <see cref="TimeProvider"/>.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="MessageId">The message.</param>
public readonly record struct LedgerEvent(LedgerEventKind Kind, string MessageId)
{
    /// <summary>When. Filled in by <see cref="Ledger.Record"/> if it is left out.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>The queue: of the delivery, or the one that is sent to; null for a publish to a topic.</summary>
    public string? Queue { get; init; }

    /// <summary>The message's key, where order matters.</summary>
    public string? Key { get; init; }

    /// <summary>The delivery's attempt.</summary>
    public int Attempt { get; init; }

    /// <summary>Of a publish or a retry: how long the message must stay invisible.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Numbers the hand-outs of one process, so that settlements can be told apart.</summary>
    public long HandOut { get; init; }

    /// <summary>Of a settlement: which one.</summary>
    public SettlementKind Settlement { get; init; }

    /// <summary>Which process recorded it. Filled in by <see cref="Ledger.Record"/> if it is left out.</summary>
    public string? Process { get; init; }
}
