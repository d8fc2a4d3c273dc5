using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Hosting;
using Postrider.Core.Consuming;

namespace Postrider.Core.Tests.Hosting;

/// <summary>The files for systemd and Kubernetes: that they are legal, and that their times fit the defaults.</summary>
public sealed class DeployTests
{
    [Theory]
    [InlineData("orders.service", "TimeoutStopSec=", 's')]
    [InlineData("orders.yaml", "terminationGracePeriodSeconds: ", ' ')]
    public void A_process_gets_the_time_that_it_needs_to_end(string file, string key, char unit)
    {
        var line = Assert.Single(File.ReadLines(PathOf(file)), line => line.TrimStart().StartsWith(key, StringComparison.Ordinal));
        var grace = TimeSpan.FromSeconds(int.Parse(line.Trim()[key.Length..].TrimEnd(unit), CultureInfo.InvariantCulture));

        var host = new HostOptions().ShutdownTimeout;
        Assert.True(grace > host, $"{grace} is not longer than the host's {host}.");
        Assert.True(host > new MessagingOptions().DrainTimeout + ConsumerPump.AfterDrain);
    }

    [Fact]
    public async Task Systemd_takes_the_unit()
    {
        var unit = (await File.ReadAllTextAsync(PathOf("orders.service"))).Replace("/usr/bin/dotnet /opt/orders/Orders.dll", "/bin/sh", StringComparison.Ordinal);
        Assert.SkipUnless(File.Exists("/usr/bin/systemd-analyze"), "There is no systemd.");
        var folder = Directory.CreateTempSubdirectory();
        try
        {
            var copy = Path.Combine(folder.FullName, "orders.service");
            await File.WriteAllTextAsync(copy, unit);
            using var verify = Process.Start(new ProcessStartInfo("/usr/bin/systemd-analyze", ["verify", "--man=no", copy]) { RedirectStandardError = true })!;
            var errors = await verify.StandardError.ReadToEndAsync();
            await verify.WaitForExitAsync();

            Assert.DoesNotContain("orders.service", errors, StringComparison.Ordinal);
            Assert.Equal(0, verify.ExitCode);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void The_manifest_is_a_tree_and_has_both_probes()
    {
        var lines = File.ReadAllLines(PathOf("orders.yaml")).Where(static line => line.Trim() is { Length: > 0 } text && text[0] != '#').ToList();
        foreach (var line in lines)
        {
            Assert.DoesNotContain('\t', line);
            Assert.Equal(0, (line.Length - line.TrimStart().Length) % 2);
            Assert.Matches("^ *(- )?[A-Za-z_]+:( .+)?$", line);
        }

        Assert.Contains(lines, static line => line.Trim() == "path: /health/live");
        Assert.Contains(lines, static line => line.Trim() == "path: /health/ready");
    }

    private static string PathOf(string file)
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Framework.sln")))
        {
            folder = folder.Parent ?? throw new InvalidOperationException("This is not below the repository.");
        }

        return Path.Combine(folder.FullName, "samples", "Deploy", file);
    }
}
