namespace Postrider.Testing;

/// <summary>How many messages have one defect, and the first of them.</summary>
/// <param name="Count">How many.</param>
/// <param name="Ids">The first <see cref="MaxIds"/> of their ids, in the order in which they were published.</param>
public sealed record LedgerFinding(int Count, IReadOnlyList<string> Ids)
{
    /// <summary>The most ids that are kept.</summary>
    public const int MaxIds = 20;

    /// <summary>No message.</summary>
    public static LedgerFinding None { get; } = new(0, []);
}

/// <summary>What <see cref="Ledger.Check"/> found.</summary>
public sealed record LedgerReport
{
    /// <summary>Messages whose publish began.</summary>
    public int Published { get; init; }

    /// <summary>Messages whose publish was confirmed.</summary>
    public int Confirmed { get; init; }

    /// <summary>Messages that were handled with success, counted once for each queue.</summary>
    public int Handled { get; init; }

    /// <summary>Confirmed, and in a queue that must have got it never handled nor settled, nor found at the end.</summary>
    public LedgerFinding Lost { get; init; } = LedgerFinding.None;

    /// <summary>Handled with success more than once in one queue.</summary>
    public LedgerFinding Duplicated { get; init; } = LedgerFinding.None;

    /// <summary>Handled though their publish was never confirmed. Allowed after an outage; reported.</summary>
    public LedgerFinding Ghosts { get; init; } = LedgerFinding.None;

    /// <summary>
    /// Handled after a message of the same key and queue whose publish began only when theirs was confirmed.
    /// </summary>
    public LedgerFinding OutOfOrder { get; init; } = LedgerFinding.None;

    /// <summary>Handed out with an attempt that is not 1 plus the retries that were settled before in that queue.</summary>
    public LedgerFinding WrongAttempt { get; init; } = LedgerFinding.None;

    /// <summary>Handed out before the delay of their publish or retry was over.</summary>
    public LedgerFinding Early { get; init; } = LedgerFinding.None;

    /// <summary>Nothing lost, duplicated, early, out of order or with a wrong attempt. Ghosts do not count.</summary>
    public bool IsClean => Lost.Count + Duplicated.Count + OutOfOrder.Count + WrongAttempt.Count + Early.Count == 0;

    /// <summary>The whole report, readable.</summary>
    public override string ToString() => LedgerText.Report(this);
}
