using System.Diagnostics;

namespace Postrider.Throughput.Tests;

/// <summary>The benchmarks run, and all that was published came to a handler, whoever took part. No time is looked at.</summary>
public sealed class SmokeTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    /// <summary>artifacts/bin/Throughput.Tests/release → artifacts/bin/Throughput/release.</summary>
    private static string Program => Path.Combine(
        AppContext.BaseDirectory, "..", "..", "Throughput", new DirectoryInfo(AppContext.BaseDirectory).Name, "Postrider.Throughput.dll");

    [Theory]
    [InlineData("inmemory", null)]
    [InlineData("pgmq", "POSTRIDER_TEST_PGMQ")]
    [InlineData("rabbitmq", "POSTRIDER_TEST_RABBITMQ")]
    [InlineData("nats", "POSTRIDER_TEST_NATS")]
    public async Task Nothing_is_lost_by_any_contender(string broker, string? variable)
    {
        Assert.SkipWhen(
            variable is not null && Environment.GetEnvironmentVariable(variable) is null, $"no broker: set {variable} or run ./test.sh");
        using var limit = new CancellationTokenSource(Limit);
        using var process = Process.Start(new ProcessStartInfo("dotnet", [Program, "--set", "smoke", "--broker", broker]) { RedirectStandardOutput = true })!;
        try
        {
            var output = await process.StandardOutput.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            Assert.True(process.ExitCode == 0, output);
            Assert.Matches("1 brokers, [1-9][0-9,]* messages published and confirmed, 0 failures", output);
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
