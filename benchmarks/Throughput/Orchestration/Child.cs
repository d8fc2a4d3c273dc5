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
internal sealed class Child(Process process, Entry entry, Size size) : IAsyncDisposable
{
    /// <summary>How the address gets there: others see command lines, and it holds a password.</summary>
    public const string ConnectionVariable = "POSTRIDER_BENCH_CONNECTION";

    /// <summary>How many awaits of the harness itself are pooled: all that can be in flight, so that it adds nothing to anybody's bytes.</summary>
    private const string PoolVariable = "DOTNET_SYSTEM_THREADING_POOLINGASYNCVALUETASKSCACHESIZE";

    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(10);

    /// <summary>How long a scenario may take; a thousand times what it measures is for what hangs.</summary>
    private TimeSpan Limit => TimeSpan.FromSeconds(Math.Clamp(size.Seconds * 1000, 10, 1200));

    public static Child Start(string connection, Entry entry, Size size) => new(
        Start(
            connection, "run", "--contender", entry.Id,
            "--seconds", FormattableString.Invariant($"{size.Seconds}"), "--large", FormattableString.Invariant($"{size.Large}")),
        entry, size);

    public static Process Start(string connection, params IEnumerable<string> arguments)
    {
        // The framework's own host, or this program's, whichever was started.
        var self = Environment.ProcessPath!;
        var isHost = Path.GetFileNameWithoutExtension(self).Equals("dotnet", StringComparison.OrdinalIgnoreCase);
        var start = new ProcessStartInfo(self, isHost ? [typeof(Child).Assembly.Location, .. arguments] : arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment[ConnectionVariable] = connection;
        start.Environment[PoolVariable] = "4096";
        return Process.Start(start)!;
    }

    /// <summary>Runs scenarios in the process. After a report without results it is good for nothing more.</summary>
    public async Task<ChildReport> RunAsync(IReadOnlyList<Scenario> scenarios, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Limit * scenarios.Count);
        try
        {
            await process.StandardInput.WriteLineAsync(string.Join(',', scenarios.Select(static scenario => scenario.Name)).AsMemory(), limit.Token);
            await process.StandardInput.FlushAsync(limit.Token);
            while (await process.StandardOutput.ReadLineAsync(limit.Token) is { } line)
            {
                if (line.StartsWith('{'))
                {
                    return JsonSerializer.Deserialize<ChildReport>(line)!;
                }
            }

            await process.WaitForExitAsync(limit.Token);
            return Failed(scenarios, $"ended with exit code {process.ExitCode} and without a report");
        }
        catch (IOException e)
        {
            return Failed(scenarios, e.Message);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return Failed(scenarios, "did not end in time");
        }
    }

    public async ValueTask DisposeAsync()
    {
        using var limit = new CancellationTokenSource(Farewell);
        try
        {
            process.StandardInput.Close();
            await process.WaitForExitAsync(limit.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
        }

        process.Dispose();
    }

    /// <summary>What goes on in the new process: a line with names of scenarios comes in, a report goes out.</summary>
    public static async Task WorkAsync(Entry entry, Size size, TextReader orders, TextWriter reports)
    {
        var ring = new Ring(entry, Environment.GetEnvironmentVariable(ConnectionVariable) ?? "", size);
        using var trace = new Activity("bench").SetIdFormat(ActivityIdFormat.W3C).Start();
        var warm = false;
        while (await orders.ReadLineAsync() is { } line)
        {
            var names = line.Split(',');
            var scenarios = Suite.All.Where(scenario => names.Contains(scenario.Name)).ToList();
            var report = new ChildReport(entry.Id, [], []);
            if (!warm && !scenarios.Any(static scenario => scenario.NeedsOwnProcess))
            {
                warm = true;
                await TryAsync(new Both("warm-up", "", new()), ring with { Size = size.ForWarmUp() }, new(entry.Id, [], report.Errors));
            }

            foreach (var scenario in scenarios)
            {
                await TryAsync(scenario, ring, report);
                GC.Collect();
            }

            await reports.WriteLineAsync(JsonSerializer.Serialize(report));
            await reports.FlushAsync();
        }
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

    private ChildReport Failed(IReadOnlyList<Scenario> scenarios, string why) =>
        new(entry.Id, [], scenarios.ToDictionary(static scenario => scenario.Name, _ => why));
}
