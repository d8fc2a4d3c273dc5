using System.Collections.Concurrent;
using System.Diagnostics;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Hosting;

/// <summary>Signals to a process of its own, whose handler runs until it is told to end.</summary>
public sealed class SignalTests : IAsyncLifetime
{
    private readonly ConcurrentQueue<string> _lines = new();
    private Process? _worker;

    private Process Worker => _worker!;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There are no such signals.");
        var program = Path.Combine(AppContext.BaseDirectory, "Postrider.SignalledWorker.dll");
        _worker = Process.Start(new ProcessStartInfo("dotnet", [program]) { RedirectStandardOutput = true, RedirectStandardInput = true })!;
        _worker.OutputDataReceived += (_, line) => _lines.Enqueue(line.Data ?? "");
        _worker.BeginOutputReadLine();
        await SaysAsync("begun ");
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    public async Task The_first_one_drains(string signal)
    {
        await SendAsync(signal);
        await SaysAsync("stopping");
        Assert.False(Worker.HasExited);
        await Worker.StandardInput.WriteLineAsync();

        Assert.Equal(0, await ExitCodeAsync());
        Assert.Contains("ended", _lines);
    }

    [Theory]
    [InlineData("TERM", 143)]
    [InlineData("INT", 130)]
    public async Task The_second_one_ends_at_once(string signal, int exitCode)
    {
        await SendAsync(signal);
        await SaysAsync("stopping");
        await Eventually.IsAsync(async () =>
        {
            await SendAsync(signal);
            return Worker.HasExited;
        });

        Assert.Equal(exitCode, await ExitCodeAsync());
        Assert.DoesNotContain("ended", _lines);
    }

    [Fact]
    public async Task Quit_ends_at_once()
    {
        await SendAsync("QUIT");

        Assert.Equal(131, await ExitCodeAsync());
        Assert.DoesNotContain("ended", _lines);
    }

    [Fact]
    public async Task Ttin_tells_what_runs_and_goes_on()
    {
        await SendAsync("TTIN");

        var report = await SaysAsync("has run for");
        Assert.Contains("'signalled:tests.signalled' of 'signalled'", report, StringComparison.Ordinal);
        Assert.Contains(_lines.First(static line => line.StartsWith("begun ", StringComparison.Ordinal))["begun ".Length..], report, StringComparison.Ordinal);
        Assert.Contains("attempt 1", report, StringComparison.Ordinal);
        Assert.Contains("signalled Receiving. 1 handlers run. The thread pool has ", await SaysAsync("The thread pool has"), StringComparison.Ordinal);
        await SendAsync("TERM");
        await Worker.StandardInput.WriteLineAsync();
        Assert.Equal(0, await ExitCodeAsync());
    }

    public async ValueTask DisposeAsync()
    {
        if (_worker is { } worker)
        {
            worker.Kill();
            await worker.WaitForExitAsync();
            worker.Dispose();
        }
    }

    private async Task SendAsync(string signal)
    {
        using var kill = Process.Start("/bin/sh", ["-c", $"kill -{signal} {Worker.Id} 2>/dev/null"]);
        await kill.WaitForExitAsync();
    }

    private async Task<string> SaysAsync(string text)
    {
        await Eventually.IsAsync(() => _lines.Any(line => line.Contains(text, StringComparison.Ordinal)));
        return _lines.First(line => line.Contains(text, StringComparison.Ordinal));
    }

    private async Task<int> ExitCodeAsync()
    {
        await Worker.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(20));
        return Worker.ExitCode;
    }
}
