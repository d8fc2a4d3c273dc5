using System.Diagnostics;
using System.Text.RegularExpressions;
using Postrider.Benchmarks;
using Postrider.Throughput.Contenders;

namespace Postrider.Throughput.Orchestration;

/// <summary>A broker for the time of its section: a new one in a temporary folder, or the one that a variable names.</summary>
internal sealed partial class BrokerProcess : IAsyncDisposable
{
    private readonly string _kind;
    private readonly DirectoryInfo? _folder;

    private BrokerProcess(string kind, DirectoryInfo? folder) => (_kind, _folder) = (kind, folder);

    /// <summary>How to reach it.</summary>
    public string ConnectionString { get; private set; } = "";

    /// <summary>As its log tells.</summary>
    public string Version { get; private set; } = "";

    public static async Task<BrokerProcess> StartAsync(Broker broker, CancellationToken cancellationToken)
    {
        if (broker.Kind is null)
        {
            return new("", null);
        }

        if (Environment.GetEnvironmentVariable(broker.Variable!) is { Length: > 0 } address)
        {
            return new(broker.Kind, null) { ConnectionString = address, Version = $"the one of {broker.Variable}" };
        }

        var folder = Directory.CreateTempSubdirectory("postrider-bench-");
        if (!OperatingSystem.IsWindows())
        {
            folder.UnixFileMode |= UnixFileMode.GroupExecute | UnixFileMode.OtherExecute; // the server is another user
        }

        var process = new BrokerProcess(broker.Kind, folder);
        try
        {
            process.ConnectionString = await process.ScriptAsync("start", cancellationToken);
            var log = await File.ReadAllTextAsync(Path.Combine(folder.FullName, "log"), cancellationToken);
            process.Version = VersionInLog().Match(log).Groups[1].Value;
            return process;
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_folder is not null)
        {
            await ScriptAsync("stop", CancellationToken.None);
            _folder.Delete(recursive: true);
        }
    }

    private async Task<string> ScriptAsync(string command, CancellationToken cancellationToken)
    {
        using var script = Process.Start(
            new ProcessStartInfo(Path.Combine(Repository.Root, "eng", "brokers.sh"), [_kind, command, _folder!.FullName]) { RedirectStandardOutput = true })!;
        var output = await script.StandardOutput.ReadLineAsync(cancellationToken) ?? "";
        await script.WaitForExitAsync(cancellationToken);
        return script.ExitCode == 0
            ? output
            : throw new InvalidOperationException($"eng/brokers.sh {_kind} {command} ended with exit code {script.ExitCode}; see its own words above.");
    }

    [GeneratedRegex(@"(?:PostgreSQL|RabbitMQ|Version:)\s+v?([0-9]+(?:\.[0-9]+)+)")]
    private static partial Regex VersionInLog();
}
