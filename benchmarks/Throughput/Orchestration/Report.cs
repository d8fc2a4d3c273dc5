using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using Postrider.Benchmarks;

namespace Postrider.Throughput.Orchestration;

/// <summary>Writes results into the Markdown file, each broker's between its own markers.</summary>
internal static class Report
{
    /// <summary>Where the results go.</summary>
    public static string DefaultPath => Path.Combine(Repository.Root, "docs", "performance.md");

    public static async Task WriteAsync(string path, Section section, Plan plan) =>
        await Markdown.ReplaceAsync(path, section.Broker.Name, await ResultsAsync(section, plan));

    private static async Task<string> ResultsAsync(Section section, Plan plan)
    {
        var text = new StringBuilder();
        var broker = section.Version.Length == 0 ? "" : $"{section.Broker.Kind} {section.Version}, ";
        text.Append($"{plan.Rounds} {(plan.Rounds == 1 ? "round" : "rounds")}, {TimeProvider.System.GetUtcNow():yyyy-MM-dd}, commit {await Repository.CommitAsync()}. ");
        text.Append($"{broker}{Clients()}. {Machine()}.\n");
        foreach (var table in Tables.Of(section, plan))
        {
            text.Append($"\n### {table.Title}\n\n");
            for (var i = 0; i < table.Rows.Count; i++)
            {
                text.Append($"| {string.Join(" | ", table.Rows[i])} |\n");
                text.Append(i == 0 ? $"|---|{string.Concat(Enumerable.Repeat("---:|", table.Rows[0].Length - 1))}\n" : "");
            }
        }

        foreach (var error in section.Errors)
        {
            text.Append($"\nFailed: {error}\n");
        }

        return text.ToString();
    }

    private static string Machine()
    {
        var processor = File.Exists("/proc/cpuinfo")
            ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(static line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim()
            : null;
        return $"{Environment.ProcessorCount} processors ({processor ?? RuntimeInformation.ProcessArchitecture.ToString()}), {RuntimeInformation.OSDescription}, "
            + $"{RuntimeInformation.FrameworkDescription}, {(System.Runtime.GCSettings.IsServerGC ? "server" : "workstation")} GC";
    }

    private static string Clients() => string.Join(", ", new[]
    {
        typeof(Npgsql.NpgsqlConnection), typeof(RabbitMQ.Client.IConnection), typeof(NATS.Client.Core.NatsConnection), typeof(MassTransit.IBus), typeof(Rebus.Bus.IBus), typeof(Wolverine.IMessageBus),
    }.Select(static type => $"{type.Assembly.GetName().Name} {Version(type.Assembly)}"));

    /// <summary>The package's; that of the assembly is often an older one.</summary>
    private static string Version(Assembly assembly) =>
        assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0].Trim() ?? "";
}
