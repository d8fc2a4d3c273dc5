using System.Net;

namespace Postrider.Core.Transport;

/// <summary>
/// An ability of transports: to say which server traces and metrics are about, and what the conventions for its broker call a destination. Asked only while somebody
/// listens. Without it no server is named, and topics and queues have their own names.
/// </summary>
public interface ITelemetryNames
{
    /// <summary>The server that is connected to or is to be, of several the first; null where there is none.</summary>
    DnsEndPoint? Server { get; }

    /// <summary>Where a message goes.</summary>
    TelemetryDestination Describe(Destination destination) => new(destination.Name);

    /// <summary>Where a delivery came from.</summary>
    TelemetryDestination Describe(Delivery delivery)
    {
        ArgumentNullException.ThrowIfNull(delivery);
        return new(delivery.Queue);
    }
}

/// <summary>A destination as traces have it.</summary>
/// <param name="Name"><c>messaging.destination.name</c>.</param>
/// <param name="RoutingKey">The routing key, where the broker has one.</param>
/// <param name="DeliveryTag">The delivery's tag, where the broker has one.</param>
public readonly record struct TelemetryDestination(string Name, string? RoutingKey = null, ulong? DeliveryTag = null);
