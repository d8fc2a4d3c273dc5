using System.Globalization;
using System.Text;

namespace Postrider.Testing;

/// <summary>The ledger in words.</summary>
internal static class LedgerText
{
    public static string Report(LedgerReport report)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"published {report.Published}, confirmed {report.Confirmed}, handled {report.Handled}");
        Finding("lost", report.Lost);
        Finding("duplicated", report.Duplicated);
        Finding("ghosts", report.Ghosts);
        Finding("out of order", report.OutOfOrder);
        Finding("wrong attempt", report.WrongAttempt);
        Finding("early", report.Early);
        return text.ToString();

        void Finding(string name, LedgerFinding finding)
        {
            text.AppendLine().Append(CultureInfo.InvariantCulture, $"{name}: {finding.Count}");
            if (finding.Count > 0)
            {
                text.Append(" (").AppendJoin(", ", finding.Ids).Append(finding.Count > finding.Ids.Count ? ", …)" : ")");
            }
        }
    }

    public static string Timeline(IReadOnlyList<LedgerEvent> events, string messageId)
    {
        var text = new StringBuilder("message ").Append(messageId);
        DateTimeOffset? first = null;
        foreach (var happened in events)
        {
            if (happened.MessageId != messageId)
            {
                continue;
            }

            first ??= happened.At;
            text.AppendLine().Append(CultureInfo.InvariantCulture, $"{(happened.At - first.Value).TotalMilliseconds,12:F3} ms  {Words(happened)}");
            Part(happened.Queue is not null, $" in {happened.Queue}");
            Part(happened.Attempt > 0, $" attempt {happened.Attempt}");
            Part(happened.HandOut > 0, $" hand-out {happened.HandOut}");
            Part(happened.Delay > TimeSpan.Zero, $" delay {happened.Delay.TotalMilliseconds} ms");
            Part(true, $" by {happened.Process}");
        }

        return first is null ? text.Append(": nothing is known").ToString() : text.ToString();

        void Part(bool known, FormattableString words)
        {
            if (known)
            {
                text.Append(words.ToString(CultureInfo.InvariantCulture));
            }
        }
    }

    private static string Words(in LedgerEvent happened) => happened.Kind is LedgerEventKind.Settling or LedgerEventKind.Settled
        or LedgerEventKind.SettlementLost or LedgerEventKind.SettlementFailed
        ? $"{happened.Kind} {happened.Settlement}"
        : happened.Kind.ToString();
}
