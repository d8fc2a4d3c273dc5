using System.Globalization;
using System.Text;
using Postrider.Benchmarks;
using Postrider.Reliability.Rig;
using Postrider.Reliability.Rows;

namespace Postrider.Reliability;

/// <summary>Runs the rows of a broker, prints each, and writes the table.</summary>
internal static class Report
{
    public static string DefaultPath => Path.Combine(Repository.Root, "docs", "reliability.md");

    /// <returns>How many rows did not go as they must.</returns>
    public static async Task<int> RunAsync(Kind kind, IReadOnlyList<Row> rows, Sizes sizes, string? path, CancellationToken cancellationToken)
    {
        var table = new StringBuilder("| # | fault | lost | doubled | ghosts | | verdict |\n|---|---|---|---|---|---|---|\n");
        var failed = 0;
        foreach (var row in rows)
        {
            cancellationToken.ThrowIfCancellationRequested();
            RowResult result;
            try
            {
                await using var stage = await Stage.OpenAsync(kind, sizes);
                result = await row.RunAsync(stage);
            }
            catch (Exception e) when (e is RowException or OperationCanceledException)
            {
                result = new(default, "", e.Message);
            }

            failed += result.Verdict is null ? 0 : 1;
            var line = string.Create(
                CultureInfo.InvariantCulture,
                $"| {row.Number} | {row.Fault} | {result.Account.Lost} | {result.Account.Doubled} | {result.Account.Ghosts} | {result.Details} | {result.Verdict ?? "good"} |");
            table.Append(line).Append('\n');
            Console.WriteLine($"{kind.Name} {line}");
        }

        if (path is not null)
        {
            var about = $"{DateTimeOffset.FromUnixTimeMilliseconds(Stage.Now()):yyyy-MM-dd}, commit {await Repository.CommitAsync()}, "
                + $"the {Environment.GetEnvironmentVariable("POSTRIDER_BROKERS") ?? "oldest"} generation, {Environment.ProcessorCount} cores.";
            await Markdown.ReplaceAsync(path, kind.Name, $"{about}\n\n{table}");
        }

        Console.WriteLine($"{kind.Name}: {rows.Count} rows, {failed} not as they must be");
        return failed;
    }
}
