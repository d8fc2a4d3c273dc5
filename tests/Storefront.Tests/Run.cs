using System.Diagnostics;

namespace Postrider.Storefront.Tests;

/// <summary>The built sample as a process, the way a user runs it, with its output in a pipe.</summary>
internal sealed record Run(int ExitCode, string Output, string Error)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    public static string ShippedOrders => Path.Combine(AppContext.BaseDirectory, "orders.ndjson");

    /// <param name="input">What comes on the standard input; it is closed afterwards.</param>
    /// <param name="environment">Variables to set.</param>
    /// <param name="arguments">The command line.</param>
    public static async Task<Run> Storefront(
        ReadOnlyMemory<byte> input, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        using var process = Start(environment, arguments);
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = process.StandardError.ReadToEndAsync(limit.Token);
            try
            {
                await process.StandardInput.BaseStream.WriteAsync(input, limit.Token);
                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // It ended without reading its input.
            }

            await process.WaitForExitAsync(limit.Token);
            return new(process.ExitCode, await output, await error);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    /// <summary>Interrupts it, as Ctrl-C does, when it has shown its progress for the first time. Its input stays open.</summary>
    public static async Task<Run> InterruptedStorefront(ReadOnlyMemory<byte> input)
    {
        using var process = Start(new Dictionary<string, string>(), "--input", "-");
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            await process.StandardInput.BaseStream.WriteAsync(input, limit.Token);
            await process.StandardInput.BaseStream.FlushAsync(limit.Token);
            var first = await process.StandardOutput.ReadLineAsync(limit.Token);
            using var kill = Process.Start("kill", ["-INT", $"{process.Id}"]);
            var rest = await process.StandardOutput.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return new(process.ExitCode, first + "\n" + rest, await process.StandardError.ReadToEndAsync(limit.Token));
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    /// <summary>Keeps it open after the shipped orders, looks at what it serves, and interrupts it.</summary>
    public static async Task<(string Metrics, string Live, string Ready, Run Run)> OpenStorefront()
    {
        using var process = Start(new Dictionary<string, string>(), "--serve", "http://127.0.0.1:0");
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            var output = "";
            while (!output.Contains("Open at ", StringComparison.Ordinal))
            {
                output += await process.StandardOutput.ReadLineAsync(limit.Token) is { } line ? line + "\n" : throw new InvalidOperationException($"It ended: {output}");
            }

            using var client = new HttpClient { BaseAddress = new(output.Split("Open at ")[1].Split(' ')[0]) };
            using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
            string metrics;
            do
            {
                await look.WaitForNextTickAsync(limit.Token);
                metrics = await client.GetStringAsync("/metrics", limit.Token);
            }
            while (!metrics.Contains("postrider_queue_depth", StringComparison.Ordinal)); // the queues are first counted two seconds after the start

            var (live, ready) = (
                await client.GetStringAsync("/health/live", limit.Token), await client.GetStringAsync("/health/ready", limit.Token));
            using var kill = Process.Start("kill", ["-INT", $"{process.Id}"]);
            output += await process.StandardOutput.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return (metrics, live, ready, new(process.ExitCode, output, await process.StandardError.ReadToEndAsync(limit.Token)));
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    public static Task<Run> Storefront(params string[] arguments) => Storefront(default, new Dictionary<string, string>(), arguments);

    /// <summary>The row of the first table that begins with this consumer's name: handled, retried, dead letters, handled twice.</summary>
    public long[] Consumer(string name) => [.. Rows(name)[0][1..5].Select(cell => long.Parse(cell.Replace(",", "")))];

    /// <summary>The dead letters of a consumer by reason, from the second table.</summary>
    public Dictionary<string, long> DeadLetters(string name) => Rows(name)[1..].ToDictionary(row => row[2], row => long.Parse(row[1].Replace(",", "")));

    private static Process Start(IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Postrider.Storefront.dll"), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var inherited in start.Environment.Keys.Where(key => key.StartsWith("Messaging__", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            start.Environment.Remove(inherited);
        }

        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    private List<string[]> Rows(string name) =>
    [
        .. Output.Split('\n').Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(cells => cells is [var first, ..] && first == name),
    ];
}
