using System.Collections.Immutable;

namespace Postrider;

/// <summary>What traces and metrics hold, of which there is one <c>ActivitySource</c> and one <c>Meter</c>, both named <see cref="SourceName"/>.</summary>
public sealed record TelemetryOptions
{
    /// <summary>The name to give <c>AddSource</c> and <c>AddMeter</c> of OpenTelemetry.</summary>
    public const string SourceName = "Postrider";

    /// <summary>
    /// Whether a handler's span begins a trace of its own that is linked to the publish. Otherwise it is linked too, but a child of the publish, so that all attempts
    /// at a message are in the trace of whoever published it.
    /// </summary>
    public bool NewTraces { get; init; }

    /// <summary>Whether there is a span for each settlement, too: <c>ack</c>, <c>retry</c>, <c>dead-letter</c> or <c>release</c>.</summary>
    public bool TraceSettling { get; init; }

    /// <summary>Whether spans have the size of the payload, <c>messaging.message.body.size</c>.</summary>
    public bool BodySizes { get; init; }

    /// <summary>
    /// Patterns of topics with parts that differ from message to message (<c>orders.*.placed</c>). The first that matches a topic stands for it in the names of spans
    /// and in metrics, which must not have a value for each order.
    /// </summary>
    public ImmutableArray<string> TopicTemplates { get; init; } = [];
}
