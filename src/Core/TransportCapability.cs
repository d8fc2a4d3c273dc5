namespace Postrider;

/// <summary>The names of <see cref="Core.Transport.TransportCapabilities"/>: what a consumer can require (<see cref="ConsumerOptions.Requires"/>).</summary>
public enum TransportCapability
{
    /// <summary>Stored messages survive the end of the broker's process.</summary>
    Durability,

    /// <summary>A message can be published so that it becomes visible later.</summary>
    DelayedPublish,

    /// <summary>A lease can be renewed while a handler runs.</summary>
    LeaseRenewal,

    /// <summary>A settlement by a holder whose lease is over does nothing.</summary>
    Fencing,

    /// <summary>Handing a delivery back is never counted as a redelivery.</summary>
    UncountedRelease,

    /// <summary>"Settled" means that the broker has confirmed it.</summary>
    ConfirmedSettlement,

    /// <summary>A second message of the same id to the same topic within a window is not stored.</summary>
    DuplicateDetection,

    /// <summary>Queues can have priorities.</summary>
    Priorities,

    /// <summary>Messages can be published, and deliveries settled, in a database transaction with what the application writes.</summary>
    Transactions,

    /// <summary>Requests can be answered (<see cref="IMessageBus.RequestAsync{TRequest, TResponse}(string, TRequest, PublishOptions, CancellationToken)"/>).</summary>
    RequestReply,

    /// <summary>What waits in a queue can be shown without taking it (<see cref="IMessagingInspector.PendingAsync"/>).</summary>
    Browsing,
}
