using System.Diagnostics;
using Postrider.Core.Transport;
using Postrider.Testing.Conformance;

namespace Postrider.Brokers;

/// <summary>A server of the test's own, which it may kill, or set up in its own way. Started by the script that ./test.sh uses too.</summary>
public sealed class PrivateBroker : IBrokerUnderTest
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("postrider-");
    private readonly string _kind;
    private readonly Func<string, ITransport> _connect;

    private PrivateBroker(string kind, Func<string, ITransport> connect) => (_kind, _connect) = (kind, connect);

    /// <summary>Whether servers can be started: only ./test.sh says how.</summary>
    public static bool IsAvailable => Script is not null;

    /// <summary>Why a test that needs one is skipped.</summary>
    public static string WhyNone => "no broker: only ./test.sh starts servers that may be killed";

    /// <summary>As the script prints it when the server is ready. It stays the same over a kill and a start.</summary>
    public string ConnectionString { get; private set; } = "";

    /// <summary>Where it lives: data, log, settings.</summary>
    public string Folder => _folder.FullName;

    private static string? Script => Environment.GetEnvironmentVariable("POSTRIDER_BROKERS_SCRIPT");

    /// <summary>Starts a new server. A busy machine may take a minute for it; the script itself gives up some time.</summary>
    /// <param name="kind">What the script calls it: <c>postgres</c>, <c>rabbitmq</c>, <c>nats</c>.</param>
    /// <param name="connect">Makes a transport for a connection string.</param>
    /// <param name="prepare">Puts files into the folder before the first start: <c>extra.conf</c>, certificates.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<PrivateBroker> StartNewAsync(
        string kind, Func<string, ITransport> connect, Action<DirectoryInfo>? prepare = null, CancellationToken cancellationToken = default)
    {
        var broker = new PrivateBroker(kind, connect);
        // The server is another user, who must get to its folder.
        if (!OperatingSystem.IsWindows())
        {
            broker._folder.UnixFileMode |= UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        }

        try
        {
            prepare?.Invoke(broker._folder);
            await broker.StartAsync(cancellationToken);
            return broker;
        }
        catch
        {
            await broker.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask<ITransport> ConnectAsync(CancellationToken cancellationToken) => new(_connect(ConnectionString));

    /// <inheritdoc/>
    public async ValueTask KillAsync(CancellationToken cancellationToken) => await RunAsync("kill", cancellationToken);

    /// <inheritdoc/>
    public async ValueTask StartAsync(CancellationToken cancellationToken = default) => ConnectionString = await RunAsync("start", cancellationToken);

    /// <summary>Stops it cleanly; its data stay.</summary>
    public async ValueTask StopAsync(CancellationToken cancellationToken = default) => await RunAsync("stop", cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await RunAsync("stop", CancellationToken.None);
        _folder.Delete(recursive: true);
    }

    private async Task<string> RunAsync(string command, CancellationToken cancellationToken)
    {
        // The server inherits standard error and keeps it open, so only standard output is redirected: it ends with the script.
        using var process = Process.Start(new ProcessStartInfo(Script!, [_kind, command, _folder.FullName]) { RedirectStandardOutput = true })!;
        var output = await process.StandardOutput.ReadLineAsync(cancellationToken) ?? "";
        await process.WaitForExitAsync(cancellationToken);
        return process.ExitCode == 0 ? output
            : throw new InvalidOperationException($"'{_kind} {command} {_folder.FullName}' ended with exit code {process.ExitCode}; see its own words above.");
    }
}
