using Postrider.Core.Transport;

namespace Postrider.Core.Stats;

/// <summary>
/// What is counted of one consumer of a queue, or of what none of its consumers takes. Each has its own, so nothing is looked up for a message, and their
/// number is that of the registrations, whatever names come from outside. Lock-free but for the slowest runs; nothing is allocated for a message.
/// </summary>
internal sealed class HandlingCounters
{
    /// <summary>The cells behind those of <see cref="HandlingOutcome"/>.</summary>
    private const int Failed = (int)HandlingOutcome.StoppedQueue + 1, Lost = Failed + 1, CutOff = Lost + 1, Redelivered = CutOff + 1, Running = Redelivered + 1;

    private readonly Cells _cells = new(Running + 1);
    private readonly DurationRecorder _handling = new();
    private readonly DurationRecorder _waiting = new();

    public SlowRunList Slowest { get; } = new();

    /// <summary>How many run now.</summary>
    public long InFlight => Math.Max(0, _cells.Read(Running));

    /// <summary>Its handler begins.</summary>
    public void Begin() => _cells.Add(Stripes.Current, Running);

    /// <summary>Its handler has ended.</summary>
    /// <param name="delivery">What it got.</param>
    /// <param name="attempt">Which attempt it was.</param>
    /// <param name="outcome">What it came to; null if it was cut off.</param>
    /// <param name="isLost">Its lease was over, so the outcome has no effect.</param>
    /// <param name="clock">Reads the two times.</param>
    /// <param name="started">When it began.</param>
    /// <param name="ended">When it ended.</param>
    public void End(Delivery delivery, int attempt, in Outcome? outcome, bool isLost, StatsClock clock, long started, long ended)
    {
        var stripe = Stripes.Current;
        _cells.Add(stripe, Running, -1);
        if (Count(stripe, delivery, outcome, isLost, ran: true) is not { } label)
        {
            return;
        }

        var took = clock.Nanoseconds(ended - started);
        _handling.Record(stripe, took);
        if (attempt == 1 && delivery.Redeliveries == 0 && delivery.Envelope.SentAt is { } sent)
        {
            _waiting.Record(stripe, clock.NanosecondsSince(sent, started));
        }

        if (Slowest.IsSlow(took))
        {
            Slowest.Add(new(took, ended, delivery.Envelope.Id, attempt, label));
        }
    }

    /// <summary>It has ended without a handler.</summary>
    public void EndUnhandled(Delivery delivery, in Outcome? outcome, bool isLost) => Count(Stripes.Current, delivery, outcome, isLost, ran: false);

    /// <summary>A settlement had no effect.</summary>
    public void SettlementLost() => _cells.Add(Stripes.Current, Lost);

    /// <summary>All counters now.</summary>
    public HandlingCounts Read() => new()
    {
        Acked = Read(HandlingOutcome.Acked),
        RetriedByChoice = Read(HandlingOutcome.RetriedByChoice),
        RetriedByException = Read(HandlingOutcome.RetriedByException),
        DeadLetteredByChoice = Read(HandlingOutcome.DeadLetteredByChoice),
        DeadLetteredByException = Read(HandlingOutcome.DeadLetteredByException),
        Undeliverable = Read(HandlingOutcome.Undeliverable),
        Discarded = Read(HandlingOutcome.Discarded),
        Expired = Read(HandlingOutcome.Expired),
        StoppedQueue = Read(HandlingOutcome.StoppedQueue),
        Failed = _cells.Read(Failed),
        Lost = _cells.Read(Lost),
        CutOff = _cells.Read(CutOff),
        Redelivered = _cells.Read(Redelivered),
        InFlight = InFlight,
    };

    public Durations ReadHandling() => _handling.Read();

    public Durations ReadWaiting() => _waiting.Read();

    internal static HandlingOutcome LabelOf(in Outcome outcome, bool ran) => outcome switch
    {
        { Kind: not OutcomeKind.Retry, Reason: DeadLetterReason.Expired } => HandlingOutcome.Expired,
        { StopsQueue: true } => HandlingOutcome.StoppedQueue,
        { IsDiscarded: true } => HandlingOutcome.Discarded,
        { Kind: OutcomeKind.Ack } => HandlingOutcome.Acked,
        { Kind: OutcomeKind.Retry } => outcome.Exception is null ? HandlingOutcome.RetriedByChoice : HandlingOutcome.RetriedByException,
        _ when !ran => HandlingOutcome.Undeliverable,
        _ => outcome.Exception is null ? HandlingOutcome.DeadLetteredByChoice : HandlingOutcome.DeadLetteredByException,
    };

    private HandlingOutcome? Count(int stripe, Delivery delivery, in Outcome? outcome, bool isLost, bool ran)
    {
        if (delivery.Redeliveries > 0)
        {
            _cells.Add(stripe, Redelivered);
        }

        if (isLost)
        {
            _cells.Add(stripe, Lost);
        }

        if (outcome is not { } known)
        {
            if (!isLost)
            {
                _cells.Add(stripe, CutOff);
            }

            return null;
        }

        if (known.Exception is not null)
        {
            _cells.Add(stripe, Failed);
        }

        var label = LabelOf(known, ran);
        _cells.Add(stripe, (int)label);
        return label;
    }

    private long Read(HandlingOutcome outcome) => _cells.Read((int)outcome);
}
