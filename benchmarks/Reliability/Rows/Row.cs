using Postrider.Reliability.Rig;

namespace Postrider.Reliability.Rows;

/// <summary>A fault, what is done, and what must come of it.</summary>
/// <param name="Number">Its number in the table.</param>
/// <param name="Fault">What is broken.</param>
/// <param name="IsInShort">Whether CI runs it too.</param>
/// <param name="RunAsync">Breaks it.</param>
internal sealed record Row(int Number, string Fault, bool IsInShort, Func<Stage, Task<RowResult>> RunAsync)
{
    public static IReadOnlyList<Row> All { get; } =
    [
        new(1, "the broker is killed (kill -9), again and again, under load", false, BrokerRows.KilledAsync),
        new(2, "the broker is restarted cleanly, twice", false, BrokerRows.RestartedAsync),
        new(3, "the broker is away for long while publishers go on", false, BrokerRows.AwayAsync),
        new(4, "the broker is not there when the application starts", false, BrokerRows.AbsentAsync),
        new(7, "every connection is reset, every 2 s", false, BrokerRows.ResetAsync),
        new(9, "the broker is killed with many publishes outstanding", false, BrokerRows.OutstandingAsync),
        new(11, "consumers are killed (kill -9) in the midst of messages", true, ProcessRows.KilledAsync),
        new(12, "a message kills the process that handles it", true, ProcessRows.DeadlyAsync),
        new(13, "messages that always throw", false, ProcessRows.ThrowingAsync),
        new(15, "a handler hangs", true, ProcessRows.HangingAsync),
        new(16, "handlers take three times the lease", false, ProcessRows.SlowAsync),
        new(17, "SIGTERM under load", true, ProcessRows.TerminatedAsync),
        new(18, "SIGTERM with a handler that hangs", true, ProcessRows.TerminatedHangingAsync),
        new(19, "a backlog that a slow consumer cannot keep up with", false, ProcessRows.BacklogAsync),
        new(33, "the active one of a single active consumer is killed (kill -9)", true, ProcessRows.FailoverAsync),
    ];
}

/// <summary>What came of it.</summary>
/// <param name="Account">What the ledger says.</param>
/// <param name="Details">The figures of this row.</param>
/// <param name="WhyBad">What must not be, or null. Lost messages are bad anyway.</param>
internal sealed record RowResult(Account Account, string Details, string? WhyBad = null)
{
    public string? Verdict => Account.Lost > 0 ? $"{Account.Lost} lost" : WhyBad;
}
