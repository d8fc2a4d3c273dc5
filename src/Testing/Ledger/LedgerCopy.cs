using Postrider.Core.Transport;
using Kind = Postrider.Testing.LedgerEventKind;

namespace Postrider.Testing;

/// <summary>What is known of a message in one queue. In a dead-letter queue it is enough to have been seen there: it is not handled again.</summary>
internal sealed class LedgerCopy(LedgerMessage message, string queue)
{
    private readonly bool _isDeadLetterQueue = Names.IsDeadLetterQueue(queue);
    private readonly HashSet<(string? Process, long HandOut)> _acks = [];
    private readonly HashSet<(string? Process, long HandOut)> _retriesTold = [];
    private readonly Dictionary<int, DateTimeOffset> _dueByAttempt = [];
    private int _handled;
    private int _retriesSettled;

    /// <summary>Handlers that ended with success; without such events, hand-outs that were acked. An ack told twice is one.</summary>
    public int Successes => _isDeadLetterQueue ? 0 : _handled > 0 ? _handled : _acks.Count;

    public bool IsAccountedFor { get; private set; }

    public bool HasWrongAttempt { get; private set; }

    public TimeSpan MostEarly { get; private set; }

    public int FirstSuccessAt { get; private set; } = int.MaxValue;

    public void Add(in LedgerEvent happened, int position)
    {
        switch (happened.Kind)
        {
            case Kind.HandedOut when _isDeadLetterQueue:
                IsAccountedFor = true;
                break;
            case Kind.HandedOut:
                CheckAttempt(happened.Attempt);
                CheckTime(happened);
                break;
            case Kind.Handled:
                _handled++;
                Succeeded(position);
                break;
            case Kind.Settling when happened.Settlement == SettlementKind.Ack:
                _acks.Add((happened.Process, happened.HandOut));
                Succeeded(position);
                break;
            case Kind.Settling when happened.Settlement == SettlementKind.Retry:
                _retriesTold.Add((happened.Process, happened.HandOut));
                Earliest(happened.Attempt + 1, happened.At + happened.Delay);
                break;
            case Kind.Settled when happened.Settlement == SettlementKind.Retry:
                _retriesSettled++;
                break;
            case Kind.SettlementLost when happened.Settlement == SettlementKind.Retry:
                _retriesTold.Remove((happened.Process, happened.HandOut));
                break;
            case Kind.Settled when happened.Settlement is SettlementKind.Ack or SettlementKind.DeadLetter:
            case Kind.Found:
                IsAccountedFor = true;
                break;
        }
    }

    /// <summary>
    /// A retry that was told may already show before its answer is recorded, and one that failed may have taken effect: hence a range.
    /// Copies of a message that was published again after an unclear result count for themselves.
    /// </summary>
    private void CheckAttempt(int attempt)
    {
        var atLeast = message.Publishes > 1 ? 1 : 1 + _retriesSettled;
        HasWrongAttempt |= attempt < atLeast || attempt > 1 + _retriesTold.Count;
    }

    private void CheckTime(in LedgerEvent happened)
    {
        var due = happened.Attempt > 1 && _dueByAttempt.TryGetValue(happened.Attempt, out var retryDue) ? retryDue : message.DueAt;
        if (due != DateTimeOffset.MaxValue && due - happened.At > MostEarly)
        {
            MostEarly = due - happened.At;
        }
    }

    private void Succeeded(int position)
    {
        IsAccountedFor = true;
        FirstSuccessAt = Math.Min(FirstSuccessAt, position);
    }

    private void Earliest(int attempt, DateTimeOffset due)
    {
        if (!_dueByAttempt.TryGetValue(attempt, out var known) || due < known)
        {
            _dueByAttempt[attempt] = due;
        }
    }
}
