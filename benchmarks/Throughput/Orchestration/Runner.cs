using System.Diagnostics;
using Postrider.Throughput.Contenders;
using Postrider.Throughput.Scenarios;
using Spectre.Console;

namespace Postrider.Throughput.Orchestration;

/// <summary>Runs a plan: broker after broker, and on each one round after round, in which everybody has a turn.</summary>
internal sealed class Runner(Plan plan, string? reportPath, IAnsiConsole console)
{
    /// <returns>Whether everything ran and nothing was lost.</returns>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var (sections, published) = (0, 0L);
        var errors = new List<string>();
        foreach (var broker in plan.Brokers.Where(broker => plan.Entries.Any(entry => entry.Broker == broker)))
        {
            var section = await RunAsync(broker, cancellationToken);
            foreach (var table in plan.IsSmoke ? [] : Tables.Of(section, plan))
            {
                console.Write(Screen(table));
            }

            if (reportPath is not null)
            {
                await Report.WriteAsync(reportPath, section, plan);
            }

            sections++;
            published += section.Published;
            errors.AddRange(section.Errors);
        }

        foreach (var error in errors)
        {
            console.WriteLine($"FAILED {error}");
        }

        console.WriteLine(
            $"{sections} brokers, {published:N0} messages published and confirmed, {errors.Count} failures, {Stopwatch.GetElapsedTime(started).TotalSeconds:0} s");
        return errors.Count == 0 && published > 0;
    }

    private async Task<Section> RunAsync(Broker broker, CancellationToken cancellationToken)
    {
        console.WriteLine($"== {broker.Name}");
        var section = new Section(broker);
        var turns = plan.Entries.Where(entry => entry.Broker == broker)
            .SelectMany(entry => plan.Processes(entry).Select(scenarios => (Entry: entry, Scenarios: scenarios)))
            // Side by side what is compared: all contenders of a scenario, then the next one.
            .GroupBy(static turn => turn.Scenarios[^1].NeedsOwnProcess || !turn.Scenarios[0].IsGate ? turn.Scenarios[0].Name : "")
            .SelectMany(static group => group).ToList();
        var kept = new Dictionary<Entry, Seat>();
        try
        {
            for (var round = 1; round <= plan.Rounds; round++)
            {
                foreach (var (entry, scenarios) in turns)
                {
                    var began = Stopwatch.GetTimestamp();
                    var report = await RunAsync(entry, scenarios, kept, section, cancellationToken);
                    section.Add(round, report);
                    console.WriteLine(
                        $"round {round}/{plan.Rounds}  {entry.Id,-22} {Stopwatch.GetElapsedTime(began).TotalSeconds,5:0.0} s  "
                        + string.Join("  ", report.Results.Select(result => $"{result.Key} {(plan.IsSmoke ? "ran" : Brief(result.Value))}")));
                }
            }
        }
        finally
        {
            foreach (var seat in kept.Values)
            {
                await seat.DisposeAsync();
            }
        }

        return section;
    }

    /// <summary>
    /// The scenarios of the gate keep their process and broker over the rounds, so that the runtime has compiled what it will not compile better;
    /// the others have new ones each time.
    /// </summary>
    private async Task<ChildReport> RunAsync(
        Entry entry, IReadOnlyList<Scenario> scenarios, Dictionary<Entry, Seat> kept, Section section, CancellationToken cancellationToken)
    {
        var keep = scenarios.All(static scenario => scenario is { IsGate: true, NeedsOwnProcess: false });
        var seat = keep && kept.Remove(entry, out var own) ? own : await Seat.OpenAsync(entry, plan.Size, cancellationToken);
        try
        {
            section.Version = seat.Version;
            return await seat.RunAsync(scenarios, cancellationToken);
        }
        finally
        {
            if (keep && seat.IsGood)
            {
                kept.Add(entry, seat);
            }
            else
            {
                await seat.DisposeAsync();
            }
        }
    }

    private static string Brief(Measuring.Figures figures) =>
        figures.TryGetValue(Measuring.Figures.P50, out var p50) ? $"{p50:N0} µs"
        : figures.TryGetValue(Measuring.Figures.Rate, out var rate) ? $"{rate:N0}/s"
        : $"{figures.Values.FirstOrDefault():0.##}";

    private static Spectre.Console.Table Screen(Table table)
    {
        var screen = new Spectre.Console.Table().Border(TableBorder.Simple).Title(Markup.Escape(table.Title));
        foreach (var head in table.Rows[0])
        {
            screen.AddColumn(new TableColumn(Markup.Escape(head)).NoWrap());
        }

        foreach (var row in table.Rows.Skip(1))
        {
            screen.AddRow([.. row.Select(static cell => Markup.Escape(cell.Trim('*')))]);
        }

        return screen;
    }
}
