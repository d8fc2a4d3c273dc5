using System.Diagnostics;
using System.Text.Json;
using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;
using Postrider.Throughput.Scenarios;

namespace Postrider.Throughput.Orchestration;

/// <summary>What a contender's process reports, in one line of JSON.</summary>
/// <param name="Contender">Who it was.</param>
/// <param name="Results">By scenario.</param>
/// <param name="Errors">By scenario.</param>
internal sealed record ChildReport(string Contender, Dictionary<string, Figures> Results, Dictionary<string, string> Errors);

/// <summary>A process for one contender: nobody profits from what another has compiled, pooled or left on the heap.</summary>
internal static class Child
{
    /// <summary>How the address gets there: others see command lines, and it holds a password.</summary>
    public const string ConnectionVariable = "POSTRIDER_BENCH_CONNECTION";

    /// <summary>How many awaits of the harness itself are pooled: all that can be in flight, so that it adds nothing to anybody's bytes.</summary>
    private const string PoolVariable = "DOTNET_SYSTEM_THREADING_POOLINGASYNCVALUETASKSCACHESIZE";

    /// <summary>How long a scenario may take; a thousand times what it measures is for what hangs.</summary>
    private static TimeSpan Limit(Size size) => TimeSpan.FromSeconds(Math.Clamp(size.Seconds * 1000, 10, 600));

    public static Process Start(string connection, params IEnumerable<string> arguments)
    {
        // The framework's own host, or this program's, whichever was started.
        var self = Environment.ProcessPath!;
        var isHost = Path.GetFileNameWithoutExtension(self).Equals("dotnet", StringComparison.OrdinalIgnoreCase);
        var start = new ProcessStartInfo(self, isHost ? [typeof(Child).Assembly.Location, .. arguments] : arguments) { RedirectStandardOutput = true };
        start.Environment[ConnectionVariable] = connection;
        start.Environment[PoolVariable] = "4096";
        return Process.Start(start)!;
    }

    /// <summary>Runs scenarios in a new process.</summary>
    public static async Task<ChildReport> RunAsync(
        string connection, Entry entry, IReadOnlyList<Scenario> scenarios, Size size, CancellationToken cancellationToken)
    {
        using var process = Start(
            connection, "run", "--contender", entry.Id, "--scenario", string.Join(',', scenarios.Select(scenario => scenario.Name)),
            "--seconds", FormattableString.Invariant($"{size.Seconds}"), "--large", FormattableString.Invariant($"{size.Large}"));
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Limit(size) * scenarios.Count);
        try
        {
            var output = await process.StandardOutput.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            var line = output.Split('\n').LastOrDefault(static line => line.StartsWith('{'));
            return line is null
                ? Failed(entry, scenarios, $"ended with exit code {process.ExitCode} and without a report")
                : JsonSerializer.Deserialize<ChildReport>(line)!;
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return Failed(entry, scenarios, "did not end in time");
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    /// <summary>What goes on in the new process.</summary>
    public static async Task<ChildReport> WorkAsync(Entry entry, IReadOnlyList<Scenario> scenarios, Size size)
    {
        var connection = Environment.GetEnvironmentVariable(ConnectionVariable) ?? "";
        var report = new ChildReport(entry.Id, [], []);
        using var trace = new Activity("bench").SetIdFormat(ActivityIdFormat.W3C).Start();
        var ring = new Ring(entry, connection, size);
        if (!scenarios.Any(static scenario => scenario.NeedsOwnProcess))
        {
            await TryAsync(new Both("warm-up", "", new()), ring with { Size = size.ForWarmUp() }, new(entry.Id, [], report.Errors));
        }

        foreach (var scenario in scenarios)
        {
            await TryAsync(scenario, ring, report);
            GC.Collect();
        }

        return report;
    }

    private static async Task TryAsync(Scenario scenario, Ring ring, ChildReport report)
    {
        try
        {
            report.Results[scenario.Name] = await scenario.RunAsync(ring);
        }
        catch (Exception e)
        {
            report.Errors[scenario.Name] = $"{e.GetType().Name}: {e.Message}";
        }
    }

    private static ChildReport Failed(Entry entry, IReadOnlyList<Scenario> scenarios, string why) =>
        new(entry.Id, [], scenarios.ToDictionary(static scenario => scenario.Name, _ => why));
}
