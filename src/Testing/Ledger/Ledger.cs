using System.Collections.Concurrent;
using System.Globalization;

namespace Postrider.Testing;

/// <summary>
/// The history of a run: who published, confirmed, handed out, handled and settled what, and when. <see cref="Check"/> derives from it
/// what was lost, duplicated, out of order, early, or had a wrong attempt.
/// </summary>
/// <remarks>
/// Thread-safe; recording costs an enqueue. With a journal every event is also written to a stream at once, so that the history of a
/// process that is killed survives it; <see cref="LedgerFile.Merge"/> joins the histories of several processes into one.
/// </remarks>
/// <param name="time">The clock of the events; the system's if null.</param>
/// <param name="process">The name of this process in the events; its id if null.</param>
/// <param name="journal">Gets each event as a line of JSON when it is recorded. Not closed by the ledger. For a file, switch buffering off.</param>
public sealed class Ledger(TimeProvider? time = null, string? process = null, Stream? journal = null)
{
    private readonly ConcurrentQueue<LedgerEvent> _events = new();
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly string _process = process ?? Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
    private readonly Lock _journalLock = new();
    private long _handOuts;

    /// <summary>How many events there are.</summary>
    public int Count => _events.Count;

    /// <summary>Adds an event.</summary>
    public void Record(in LedgerEvent happened)
    {
        var complete = happened with
        {
            At = happened.At == default ? _time.GetUtcNow() : happened.At,
            Process = happened.Process ?? _process,
        };
        _events.Enqueue(complete);
        if (journal is not null)
        {
            lock (_journalLock)
            {
                LedgerFile.WriteLine(journal, complete);
            }
        }
    }

    /// <summary>A handler ended with success.</summary>
    public void Handled(string messageId, string queue, int attempt = 1, string? key = null) =>
        Record(new(LedgerEventKind.Handled, messageId) { Queue = queue, Attempt = attempt, Key = key });

    /// <summary>A handler failed.</summary>
    public void Failed(string messageId, string queue, int attempt = 1, string? key = null) =>
        Record(new(LedgerEventKind.Failed, messageId) { Queue = queue, Attempt = attempt, Key = key });

    /// <summary>At the end the message was found in this queue.</summary>
    public void Found(string messageId, string queue) => Record(new(LedgerEventKind.Found, messageId) { Queue = queue });

    /// <summary>A copy of all events, in the order of their times.</summary>
    public IReadOnlyList<LedgerEvent> Events() => [.. _events.OrderBy(static happened => happened.At)];

    /// <summary>Derives the defects. Call it when everything that must happen has had time to happen.</summary>
    public LedgerReport Check(LedgerRules? rules = null) => LedgerCheck.Run(Events(), rules ?? new());

    /// <summary>Everything that happened to one message, a line for each event.</summary>
    public string Timeline(string messageId) => LedgerText.Timeline(Events(), messageId);

    internal long NextHandOut() => Interlocked.Increment(ref _handOuts);

    internal void Add(in LedgerEvent recorded) => _events.Enqueue(recorded);
}
