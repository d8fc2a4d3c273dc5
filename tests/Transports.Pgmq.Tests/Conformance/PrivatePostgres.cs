using System.Diagnostics;
using Postrider.Core.Transport;
using Postrider.Testing.Conformance;

namespace Postrider.Transports.Pgmq.Tests.Conformance;

/// <summary>A PostgreSQL of the test's own, which it may kill. Started by the script that ./test.sh uses too.</summary>
internal sealed class PrivatePostgres : IBrokerUnderTest
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("postrider-pg-");
    private string _connectionString = "";

    private PrivatePostgres()
    {
    }

    /// <summary>The script, or null if the broker under test is not ours to start.</summary>
    private static string? Script => Environment.GetEnvironmentVariable("POSTRIDER_BROKERS_SCRIPT");

    public static bool IsAvailable => Script is not null;

    public string ConnectionString => _connectionString;

    public static async ValueTask<PrivatePostgres> StartNewAsync(CancellationToken cancellationToken)
    {
        var postgres = new PrivatePostgres();
        // The server is another user, who must get to its folder.
        if (!OperatingSystem.IsWindows())
        {
            postgres._folder.UnixFileMode |= UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        }

        await postgres.StartAsync(cancellationToken);
        return postgres;
    }

    public ValueTask<ITransport> ConnectAsync(CancellationToken cancellationToken) =>
        new(new PgmqTransport(new() { ConnectionString = _connectionString }));

    public async ValueTask KillAsync(CancellationToken cancellationToken) => await RunAsync("kill", cancellationToken);

    public async ValueTask StartAsync(CancellationToken cancellationToken) => _connectionString = await RunAsync("start", cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await RunAsync("stop", CancellationToken.None);
        _folder.Delete(recursive: true);
    }

    private async Task<string> RunAsync(string command, CancellationToken cancellationToken)
    {
        // The server inherits standard error and keeps it open, so only standard output is redirected: it ends with the script.
        using var process = Process.Start(new ProcessStartInfo(Script!, ["postgres", command, _folder.FullName]) { RedirectStandardOutput = true })!;
        var output = await process.StandardOutput.ReadLineAsync(cancellationToken) ?? "";
        await process.WaitForExitAsync(cancellationToken);
        Assert.Equal(0, process.ExitCode);
        return output;
    }
}
