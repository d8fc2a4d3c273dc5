using Postrider.Core.Transport;

namespace Postrider.Core.Diagnostics;

/// <summary>What telemetry calls a transport's broker and its destinations.</summary>
internal sealed class BrokerNames(ITransport transport)
{
    /// <summary>Queues of answers come and go with their processes: one name for all.</summary>
    private const string ReplyQueues = "postrider.replies";

    private readonly ITelemetryNames? _names = transport as ITelemetryNames;

    public string System { get; } = transport.Capabilities.System;

    public string? Address { get; } = (transport as ITelemetryNames)?.Server?.Host;

    /// <summary>Boxed once.</summary>
    public object? Port { get; } = (transport as ITelemetryNames)?.Server?.Port;

    public TelemetryDestination Of(Destination destination) => _names?.Describe(destination) ?? new(destination.Name);

    public TelemetryDestination Of(Delivery delivery) => _names?.Describe(delivery) ?? new(delivery.Queue);

    /// <summary>What stands for a destination of which there may be many, or null.</summary>
    public static string? TemplateOf(Destination destination, TelemetryOptions options)
    {
        if (destination.Kind == DestinationKind.Queue)
        {
            return Names.IsReplyQueue(destination.Name) ? ReplyQueues : null;
        }

        foreach (var pattern in options.TopicTemplates)
        {
            if (TopicPattern.Matches(pattern, destination.Name))
            {
                return pattern;
            }
        }

        return null;
    }
}
