using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;

namespace Postrider.Core.Hosting;

/// <summary>Listens for signals from the start until the process, or its container of services, ends.</summary>
internal sealed class SignalHandling(MessagingStatus status, IHostApplicationLifetime application, TimeProvider time, ILoggerFactory loggers) : IHostedService, IDisposable
{
    /// <summary>Managers of processes signal a whole group and forward to it too: what comes together is one.</summary>
    private static readonly TimeSpan Together = TimeSpan.FromMilliseconds(500);

    private readonly ILogger _logger = new SafeLogger(loggers.CreateLogger("Postrider"));
    private readonly List<PosixSignalRegistration> _registrations = [];
    private long _first;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsLinux() || OperatingSystem.IsMacOS())
        {
            _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Stop(context, 143)));
            _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Stop(context, 130)));
            _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGQUIT, context => End(context, 131)));
            _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGTTIN, Report));
        }

        return Task.CompletedTask;
    }

    /// <summary>A second signal may come while the others stop.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _registrations.ForEach(static one => one.Dispose());

    private void Stop(PosixSignalContext context, int exitCode)
    {
        context.Cancel = true;
        var first = Interlocked.CompareExchange(ref _first, time.GetTimestamp(), 0);
        if (first == 0)
        {
            application.StopApplication();
        }
        else if (time.GetElapsedTime(first) >= Together)
        {
            End(context, exitCode);
        }
    }

    private void End(PosixSignalContext context, int exitCode)
    {
        context.Cancel = true;
        _logger.EndedBySignal(context.Signal, exitCode);
        Environment.Exit(exitCode);
    }

    private void Report(PosixSignalContext context)
    {
        // Without it the signal would stop the process until somebody lets it go on.
        context.Cancel = true;
        var running = status.Running;
        _logger.StatusReport(status.ToString(), running.Count, ThreadPool.ThreadCount, ThreadPool.PendingWorkItemCount, ThreadPool.CompletedWorkItemCount);
        foreach (var handler in running)
        {
            _logger.RunningReport(
                handler.Consumer, handler.Queue, handler.Age, handler.MessageId, handler.MessageType, handler.Attempt, handler.IsHung ? "It hangs." : "");
        }
    }
}
