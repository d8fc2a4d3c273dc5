using Postrider.Core.Transport;

namespace Postrider;

/// <summary>Gets every exception of handlers and of the background, for error trackers and the like. Thread-safe.</summary>
/// <remarks>
/// Called one at a time and beside the work, which does not wait for it: under a storm of exceptions the newest are left out and counted. One that throws is
/// counted (<c>postrider.reports.failed</c>) and logged, and the others are called all the same.
/// </remarks>
public interface IExceptionReporter
{
    /// <summary>Tells somebody. The token is cancelled when the host has stopped.</summary>
    ValueTask ReportAsync(ExceptionReport report, CancellationToken cancellationToken);
}

/// <summary>An exception and where it came from.</summary>
/// <param name="Exception">The exception.</param>
/// <param name="During">
/// What was being done: <c>connect</c>, <c>receive</c>, <c>decode</c>, <c>handle</c>, <c>renew</c>, <c>settle</c>, <c>pump</c>, <c>stop</c>, <c>on-failed</c> or <c>hook</c>.
/// </param>
/// <param name="Queue">The queue; null for <c>connect</c> and <c>hook</c>, which are of all.</param>
public sealed record ExceptionReport(Exception Exception, string During, string? Queue)
{
    /// <summary>The name of the consumer, if it was one's.</summary>
    public string? Consumer { get; init; }

    /// <summary>The message's metadata, if it was about one, without its body.</summary>
    public Envelope? Envelope { get; init; }

    /// <summary>What the message came to, if it was a handler's: another attempt or a dead letter.</summary>
    public OutcomeKind? Outcome { get; init; }
}
