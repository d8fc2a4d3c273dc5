namespace Postrider.Core.Transport;

/// <summary>What a transport can do. The conformance suite tests what is claimed, and also what is not.</summary>
public sealed record TransportCapabilities
{
    /// <summary>The value of <c>messaging.system</c> in telemetry, and the transport's name in configuration: <c>pgmq</c>, <c>inmemory</c>.</summary>
    public required string System { get; init; }

    /// <summary>Stored messages survive the end of the broker's process.</summary>
    public required Capability Durability { get; init; }

    /// <summary>A message can be published so that it becomes visible later.</summary>
    public required Capability DelayedPublish { get; init; }

    /// <summary>A lease can be renewed while a handler runs (the receivers are <see cref="ILeaseRenewal"/>).</summary>
    public required Capability LeaseRenewal { get; init; }

    /// <summary>A settlement by a holder whose lease is over does nothing.</summary>
    public required Capability Fencing { get; init; }

    /// <summary>
    /// Handing a delivery back is never counted as a redelivery. Where it is unsupported it may be, until the message is a suspect: from
    /// then on no transport counts it.
    /// </summary>
    public required Capability UncountedRelease { get; init; }

    /// <summary>"Settled" means that the broker has confirmed it, not only that it was written to the socket.</summary>
    public required Capability ConfirmedSettlement { get; init; }

    /// <summary>A second message of the same id to the same topic within a window is not stored.</summary>
    public required Capability DuplicateDetection { get; init; }

    /// <summary>Queues can have priorities (<see cref="Topology.PriorityQueues"/>).</summary>
    public required Capability Priorities { get; init; }

    /// <summary>
    /// Messages can be published, and deliveries settled, in a database transaction with what the application writes (the transport is
    /// <see cref="ITransactionalPublishing"/>, its receivers are <see cref="ITransactionalReceiver"/>).
    /// </summary>
    public required Capability Transactions { get; init; }

    /// <summary>Requests can be answered: it has queues for answers (the transport is <see cref="IReplyQueues"/>).</summary>
    public required Capability RequestReply { get; init; }

    /// <summary>What waits in a queue can be shown without taking it (the transport is <see cref="IQueueBrowser"/>).</summary>
    public required Capability Browsing { get; init; }

    /// <summary>One of them.</summary>
    public Capability this[TransportCapability capability] => capability switch
    {
        TransportCapability.Durability => Durability,
        TransportCapability.DelayedPublish => DelayedPublish,
        TransportCapability.LeaseRenewal => LeaseRenewal,
        TransportCapability.Fencing => Fencing,
        TransportCapability.UncountedRelease => UncountedRelease,
        TransportCapability.ConfirmedSettlement => ConfirmedSettlement,
        TransportCapability.DuplicateDetection => DuplicateDetection,
        TransportCapability.Priorities => Priorities,
        TransportCapability.Transactions => Transactions,
        TransportCapability.RequestReply => RequestReply,
        TransportCapability.Browsing => Browsing,
        _ => throw new ArgumentOutOfRangeException(nameof(capability), capability, null),
    };
}

/// <summary>How well something is supported.</summary>
public enum CapabilityLevel
{
    /// <summary>Not at all.</summary>
    Unsupported,

    /// <summary>By other means than a feature of the broker.</summary>
    Emulated,

    /// <summary>By the broker.</summary>
    Native,
}

/// <summary>One capability.</summary>
/// <param name="Level">How well.</param>
/// <param name="How">For <see cref="CapabilityLevel.Emulated"/>: by which means. For <see cref="CapabilityLevel.Unsupported"/>: why.</param>
public readonly record struct Capability(CapabilityLevel Level, string? How = null)
{
    /// <summary>By the broker.</summary>
    public static Capability Native => new(CapabilityLevel.Native);

    /// <summary>By other means.</summary>
    public static Capability Emulated(string how) => new(CapabilityLevel.Emulated, how);

    /// <summary>Not at all.</summary>
    public static Capability Unsupported(string why) => new(CapabilityLevel.Unsupported, why);

    /// <summary>Native or emulated.</summary>
    public bool IsSupported => Level != CapabilityLevel.Unsupported;
}
