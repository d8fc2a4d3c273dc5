using Spectre.Console;

namespace Postrider.Storefront;

/// <summary>What the run came to, in tables that can be read in plain text too.</summary>
public static class Summary
{
    private const int LinesNamed = 10;

    public static void Write(IAnsiConsole console, Figures figures, bool interrupted)
    {
        console.WriteLine($"Published {figures.Published:N0} orders, {figures.Published * figures.Consumers.Count:N0} copies in all, handled in "
            + $"{figures.Elapsed.TotalSeconds:N2} s: {figures.PerSecond:N0} msg/s.");
        if (figures.Blank > 0)
        {
            console.WriteLine($"Skipped {figures.Blank:N0} blank lines.");
        }

        console.Write(Consumers(figures));
        if (figures.Consumers.Any(one => one.Reasons.Count > 0))
        {
            console.Write(DeadLetters(figures, room: console.Profile.Width - 46));
        }

        foreach (var problem in Problems(figures, interrupted))
        {
            console.WriteLine(problem);
        }
    }

    private static Table Consumers(Figures figures)
    {
        var table = Table("Consumer", "Handled", "Retried", "Dead\nletters", "Twice", "First try\np50/p99 ms", "Overall\np50/p99 ms");
        foreach (var one in figures.Consumers)
        {
            table.AddRow(
                one.Queue, $"{one.Handled:N0}", $"{one.Retries:N0}", $"{one.DeadLetters:N0}", $"{one.Duplicates:N0}",
                Milliseconds(one.FirstAttempts), Milliseconds(one.Latency));
        }

        return table;
    }

    private static Table DeadLetters(Figures figures, int room)
    {
        var table = Table("Dead letters of", "Count");
        table.AddColumn(new TableColumn("Reason").NoWrap()).AddColumn(new TableColumn("The first of them").NoWrap());
        foreach (var one in figures.Consumers)
        {
            foreach (var (reason, (count, first)) in one.Reasons.OrderByDescending(pair => pair.Value.Count))
            {
                var text = $"line {first.Line}: {first.Why}";
                table.AddRow(
                    Literal(one.Queue), Literal($"{count:N0}"), Literal(reason.ToWireName()), Literal(text.Length > room ? $"{text[..(room - 1)]}…" : text));
            }
        }

        return table;
    }

    private static IEnumerable<string> Problems(Figures figures, bool interrupted)
    {
        foreach (var refusal in figures.Refusals)
        {
            yield return refusal;
        }

        if (interrupted)
        {
            yield return $"Interrupted: {figures.Unaccounted:N0} copies were under way. A durable broker keeps them for the next run.";
            yield break;
        }

        foreach (var one in figures.Consumers.Where(one => one.Outstanding.Count > 0))
        {
            var more = one.Outstanding.Count > LinesNamed ? $" and {one.Outstanding.Count - LinesNamed:N0} more" : "";
            yield return $"Unaccounted for by {one.Queue}: line {string.Join(", ", one.Outstanding.Take(LinesNamed))}{more}.";
        }

        yield return figures is { Unaccounted: 0, NotPublished: 0 }
            ? "Every copy is accounted for."
            : $"NOT every copy is accounted for: {figures.Unaccounted:N0} copies are missing, {figures.NotPublished:N0} orders were not published.";
    }

    private static Table Table(string first, params ReadOnlySpan<string> numbers)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumn(new TableColumn(first).NoWrap());
        foreach (var name in numbers)
        {
            table.AddColumn(new TableColumn(name).RightAligned().NoWrap());
        }

        return table;
    }

    private static Text Literal(string text) => new(text);

    private static string Milliseconds(Percentiles latency) => latency.P99 > TimeSpan.Zero ? $"{Milliseconds(latency.P50)} / {Milliseconds(latency.P99)}" : "-";

    private static string Milliseconds(TimeSpan latency) => latency.TotalMilliseconds < 10 ? $"{latency.TotalMilliseconds:0.0}" : $"{latency.TotalMilliseconds:N0}";
}
