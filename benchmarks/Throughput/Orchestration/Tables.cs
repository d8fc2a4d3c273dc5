using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;
using Postrider.Throughput.Scenarios;

namespace Postrider.Throughput.Orchestration;

/// <summary>Rows of text: the first is the head.</summary>
internal sealed record Table(string Title, IReadOnlyList<string[]> Rows);

/// <summary>Results → tables, the same for the screen and for the report.</summary>
internal static class Tables
{
    public static IEnumerable<Table> Of(Section section, Plan plan)
    {
        foreach (var scenario in plan.Scenarios)
        {
            var entries = Catalog.Entries.Where(entry => entry.Broker == section.Broker && section.Has(entry, scenario)).ToList();
            if (entries.Count > 0)
            {
                yield return Trimmed(scenario.Title, Row(entries, section, scenario));
            }
        }

        var goals = Goal.All.Where(goal => goal.Broker == section.Broker).Select(goal => (Goal: goal, Reached: goal.Reached(section)))
            .Where(static pair => pair.Reached is not null).ToList();
        if (goals.Count > 0 && !plan.IsSmoke)
        {
            yield return new("Goals", [["scenario", "figure", "goal", "reached", ""], .. goals.Select(static pair => (string[])
            [
                pair.Goal.Scenario, pair.Goal.Figure, pair.Goal.Text, Text(pair.Reached, "0.##")!, pair.Goal.IsMet(pair.Reached!) ? "met" : "missed",
            ])]);
        }
    }

    private static List<string?[]> Row(List<Entry> entries, Section section, Scenario scenario)
    {
        var raw = entries.FirstOrDefault(static entry => entry.Role == Role.Raw);
        var tuned = entries.FirstOrDefault(static entry => entry.Role == Role.Tuned);
        List<string?[]> rows =
        [
            [
                "contender", "msg/s", "of raw", "of tuned", "CPU µs", "of raw", "bytes", "of raw", "− raw", "p50 µs", "− raw", "p99 µs", "of raw",
                StartUp.FirstMessage, Idle.Core, Idle.WorkingSet, Backlog.PublishLoss, Kill.Before, Figures.Duplicates,
                Soak.BytesRatio, Soak.MemoryRatio, Soak.Handles,
            ],
        ];
        foreach (var entry in entries)
        {
            string? Value(string figure, string format) => section.Values(entry, scenario, figure) is { } spread ? spread.Median.ToString(format) : null;
            string? Ratio(string figure, Entry? with) => with is null || with == entry ? null : Text(section.Compared(entry, with, scenario, figure, static (a, b) => a / b), "0.00");
            string? More(string figure, Entry? with) => with is null || with == entry ? null : Text(section.Compared(entry, with, scenario, figure, static (a, b) => a - b), "0");
            rows.Add(
            [
                entry.Role == Role.Ours ? $"**{entry.Name}**" : entry.Name,
                scenario.IsLatency ? null : Value(Figures.Rate, "N0"), scenario.IsLatency ? null : Ratio(Figures.Rate, raw),
                scenario.IsLatency ? null : Ratio(Figures.Rate, tuned),
                Value(Figures.Cpu, "0.0"), Ratio(Figures.Cpu, raw),
                Value(Figures.Bytes, "N0"), Ratio(Figures.Bytes, raw), More(Figures.Bytes, raw),
                Value(Figures.P50, "N0"), More(Figures.P50, raw), Value(Figures.P99, "N0"), Ratio(Figures.P99, raw),
                Value(StartUp.FirstMessage, "N0"), Value(Idle.Core, "0.00"), Value(Idle.WorkingSet, "0"), Value(Backlog.PublishLoss, "0.00"), Value(Kill.Before, "0"),
                section.Values(entry, scenario, Figures.Duplicates) is { Most: > 0 } || scenario is Kill ? Value(Figures.Duplicates, "N0") : null,
                Value(Soak.BytesRatio, "0.00"), Value(Soak.MemoryRatio, "0.00"), Value(Soak.Handles, "0"),
            ]);
        }

        return rows;
    }

    /// <summary>Without the columns that nobody has a figure for.</summary>
    private static Table Trimmed(string title, List<string?[]> rows)
    {
        var kept = Enumerable.Range(0, rows[0].Length).Where(column => column == 0 || rows.Skip(1).Any(row => row[column] is not null)).ToArray();
        return new(title, [.. rows.Select(row => kept.Select(column => row[column] ?? "–").ToArray())]);
    }

    private static string? Text(Spread? spread, string format) => spread is null ? null
        : spread.Least == spread.Most ? spread.Median.ToString(format)
        : $"{spread.Median.ToString(format)} ({spread.Least.ToString(format)}–{spread.Most.ToString(format)})";
}
