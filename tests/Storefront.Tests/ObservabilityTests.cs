using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Postrider.Storefront.Tests;

/// <summary>What an open shop shows to Prometheus, Grafana and orchestrators.</summary>
public sealed partial class ObservabilityTests
{
    [Fact]
    public async Task An_open_shop_is_healthy_and_its_metrics_are_what_promtool_accepts_and_the_dashboard_asks_for()
    {
        var (metrics, live, ready, run) = await Run.OpenStorefront();

        Assert.Equal((0, "Healthy", "Healthy"), (run.ExitCode, live, ready));
        Assert.Contains("Every copy is accounted for.", run.Output);
        var dashboard = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "grafana.json")))!;
        var wanted = dashboard["panels"]!.AsArray().SelectMany(static panel => panel!["targets"]!.AsArray()).Select(static target => (string)target!["expr"]!).ToList();
        Assert.True(wanted.Count >= 10);
        var exported = Name().Matches(metrics).Select(static match => match.Value).ToHashSet();
        Assert.All(wanted.SelectMany(static expression => Name().Matches(expression)), match => Assert.Contains(match.Value, exported));

        await AcceptAsync(metrics);
    }

    [Fact]
    public async Task An_address_that_is_none_is_refused()
    {
        var run = await Run.Storefront("--serve", "nowhere");

        Assert.Equal(ExitCodes.Configuration, run.ExitCode);
        Assert.Contains("http://127.0.0.1:9464", run.Error);
    }

    private static async Task AcceptAsync(string metrics)
    {
        var start = new ProcessStartInfo("promtool", ["check", "metrics"]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        Process? promtool = null;
        try
        {
            promtool = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("no client: promtool, of Debian's package prometheus");
        }

        using (promtool)
        {
            await promtool!.StandardInput.WriteAsync(metrics);
            promtool.StandardInput.Close();
            var said = await promtool.StandardOutput.ReadToEndAsync() + await promtool.StandardError.ReadToEndAsync();
            await promtool.WaitForExitAsync();
            Assert.Equal((0, ""), (promtool.ExitCode, said));
        }
    }

    /// <summary>Names of metrics and of labels.</summary>
    [GeneratedRegex("(messaging|postrider)_[a-z_]+")]
    private static partial Regex Name();
}
