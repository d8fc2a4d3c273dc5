using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using Postrider.Benchmarks;

namespace Postrider.Reliability.Rig;

/// <summary>A broker of this run's own, in a temporary folder.</summary>
internal sealed class BrokerServer(Kind kind) : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Make();

    /// <summary>Stays the same over kills and starts.</summary>
    public string Address { get; private set; } = "";

    public int Port => Uri.TryCreate(Address, UriKind.Absolute, out var uri) && uri.Port > 0
        ? uri.Port
        : int.Parse((string)new DbConnectionStringBuilder { ConnectionString = Address }["Port"], CultureInfo.InvariantCulture);

    /// <summary>The address of something that stands in front of it.</summary>
    public string AddressWith(int port) => Uri.TryCreate(Address, UriKind.Absolute, out var uri) && uri.Port > 0
        ? new UriBuilder(uri) { Port = port }.Uri.ToString()
        : new DbConnectionStringBuilder { ConnectionString = Address, ["Port"] = port }.ConnectionString;

    public async Task StartAsync() => Address = await ScriptAsync("start");

    /// <summary>As kill -9.</summary>
    public Task KillAsync() => ScriptAsync("kill");

    public Task StopAsync() => ScriptAsync("stop");

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _folder.Delete(recursive: true);
    }

    private static DirectoryInfo Make()
    {
        var folder = Directory.CreateTempSubdirectory("postrider-rel-");
        if (!OperatingSystem.IsWindows())
        {
            folder.UnixFileMode |= UnixFileMode.GroupExecute | UnixFileMode.OtherExecute; // the server is another user
        }

        return folder;
    }

    private async Task<string> ScriptAsync(string command)
    {
        using var script = Process.Start(
            new ProcessStartInfo(Path.Combine(Repository.Root, "eng", "brokers.sh"), [kind.Script, command, _folder.FullName]) { RedirectStandardOutput = true })!;
        var line = await script.StandardOutput.ReadLineAsync() ?? "";
        await script.WaitForExitAsync();
        return script.ExitCode == 0 ? line : throw new InvalidOperationException($"eng/brokers.sh {kind.Script} {command} ended with exit code {script.ExitCode}.");
    }
}
