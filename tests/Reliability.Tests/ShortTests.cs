using System.Diagnostics;

namespace Postrider.Reliability.Tests;

/// <summary>The short form of the reliability table: real processes are killed and stopped, and nothing is lost, doubled without need, or left behind.</summary>
public sealed class ShortTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    /// <summary>artifacts/bin/Reliability.Tests/release → artifacts/bin/Reliability/release.</summary>
    private static string Program => Path.Combine(
        AppContext.BaseDirectory, "..", "..", "Reliability", new DirectoryInfo(AppContext.BaseDirectory).Name, "Postrider.Reliability.dll");

    [Theory]
    [InlineData("pgmq")]
    [InlineData("rabbitmq")]
    [InlineData("nats")]
    public async Task Every_row_goes_as_it_must(string broker)
    {
        Assert.SkipWhen(Environment.GetEnvironmentVariable("POSTRIDER_BROKERS_SCRIPT") is null, "no broker: only ./test.sh starts servers that may be killed");
        using var limit = new CancellationTokenSource(Limit);
        using var process = Process.Start(new ProcessStartInfo("dotnet", [Program, "--set", "short", "--broker", broker]) { RedirectStandardOutput = true })!;
        try
        {
            var output = await process.StandardOutput.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            Assert.True(process.ExitCode == 0, output);
            Assert.Matches($"{broker}: [1-9][0-9]* rows, 0 not as they must be", output);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }
}
