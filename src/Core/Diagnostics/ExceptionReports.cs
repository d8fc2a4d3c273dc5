using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Postrider.Core.Diagnostics;

/// <summary>Carries exceptions to the reporters, beside the work.</summary>
internal sealed class ExceptionReports(IReadOnlyList<IExceptionReporter> reporters, Telemetry telemetry, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private const int MostWaiting = 1024;
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);

    private readonly Channel<ExceptionReport> _waiting = Channel.CreateBounded<ExceptionReport>(new BoundedChannelOptions(MostWaiting) { SingleReader = true });
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    public void Start() => _running = reporters.Count == 0 ? Task.CompletedTask : Task.Run(RunAsync);

    public void Add(ExceptionReport report)
    {
        if (reporters.Count > 0 && !_waiting.Writer.TryWrite(report))
        {
            telemetry.ReportLost();
        }
    }

    /// <summary>What waits is still reported, for a short while.</summary>
    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        await _running.WaitAsync(Farewell, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _stop.CancelAsync().ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        await foreach (var report in _waiting.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            foreach (var reporter in reporters)
            {
                if (_stop.IsCancellationRequested)
                {
                    return;
                }

                try
                {
                    await reporter.ReportAsync(report, _stop.Token).ConfigureAwait(false);
                }
                catch (Exception e) when (!_stop.IsCancellationRequested)
                {
                    telemetry.ReportFailed();
                    logger.ReportFailed(e, reporter.GetType().Name, report.Exception.Message);
                }
            }
        }
    }
}
