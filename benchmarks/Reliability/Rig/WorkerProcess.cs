using System.Diagnostics;

namespace Postrider.Reliability.Rig;

/// <summary>A process that consumes.</summary>
internal sealed class WorkerProcess : IDisposable
{
    private readonly Process _process;

    public WorkerProcess(Job job)
    {
        Job = job;
        _process = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Postrider.Reliability.dll"), "worker", job.ToText()]))!;
    }

    public Job Job { get; }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public int ExitCode => _process.ExitCode;

    /// <summary>As kill -9.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>As Kubernetes and systemd do it; returns how long it took to end.</summary>
    public async Task<TimeSpan> TerminateAsync(TimeSpan limit)
    {
        var started = Stopwatch.GetTimestamp();
        using var kill = Process.Start("kill", ["-TERM", $"{_process.Id}"]);
        await kill.WaitForExitAsync();
        using var end = new CancellationTokenSource(limit);
        try
        {
            await _process.WaitForExitAsync(end.Token);
        }
        catch (OperationCanceledException)
        {
            // Whoever called compares the time.
        }

        return Stopwatch.GetElapsedTime(started);
    }

    public Task ExitedAsync(CancellationToken cancellationToken) => _process.WaitForExitAsync(cancellationToken);

    /// <summary>The most memory that it had, in bytes, as the kernel knows.</summary>
    public async Task<long> MostMemoryAsync()
    {
        var line = (await File.ReadAllLinesAsync($"/proc/{_process.Id}/status")).First(static line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], null) * 1024;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }
}
