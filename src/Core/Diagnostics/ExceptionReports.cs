using Microsoft.Extensions.Logging;

namespace Postrider.Core.Diagnostics;

/// <summary>Carries exceptions to the reporters, beside the work.</summary>
internal sealed class ExceptionReports(IReadOnlyList<IExceptionReporter> reporters, Telemetry telemetry, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private readonly Feed<IExceptionReporter, ExceptionReport> _feed = new(
        reporters, static (reporter, report, stop) => reporter.ReportAsync(report, stop), telemetry.ReportLost,
        (reporter, report, error) =>
        {
            telemetry.ReportFailed();
            logger.ReportFailed(error, reporter.GetType().Name, report.Exception.Message);
        },
        time);

    public void Start() => _feed.Start();

    public void Add(ExceptionReport report) => _feed.Add(report);

    /// <summary>What waits is still reported, for a short while.</summary>
    public ValueTask DisposeAsync() => _feed.DisposeAsync();
}
