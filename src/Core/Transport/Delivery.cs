namespace Postrider.Core.Transport;

/// <summary>One hand-out of a message. A transport derives from it to keep its tag or row id.</summary>
/// <param name="queue">The queue it came from.</param>
/// <param name="envelope">The message. Its body stays valid until the delivery is settled.</param>
/// <param name="redeliveries">How many earlier hand-outs of this message ended without an outcome, as the broker counts them.</param>
public abstract class Delivery(string queue, Envelope envelope, int redeliveries)
{
    /// <summary>The queue it came from.</summary>
    public string Queue { get; } = queue;

    /// <summary>The message.</summary>
    public Envelope Envelope { get; } = envelope;

    /// <summary>
    /// Earlier hand-outs that ended without an outcome: crashes, lost connections, expired leases, and the first hand-backs where
    /// the broker cannot tell them apart (<see cref="TransportCapabilities.UncountedRelease"/>).
    /// </summary>
    public int Redeliveries { get; } = redeliveries;

    /// <summary>
    /// Handed out so often without an outcome that it may be what ends the processes: it is handled with nothing beside it. A single
    /// redelivery happens to whole windows of innocent messages at every crash; the second makes a suspect.
    /// </summary>
    public bool IsSuspect => Redeliveries >= 2;

    /// <summary>Where the broker has the message, for people to find it (<c>stream:sequence</c>, the row's id), or null where it has no such place.</summary>
    public virtual string? BrokerPosition => null;

    /// <summary>Why the transport could not read the message as it was meant (a damaged raw body, say), or null. It goes to the dead-letter queue.</summary>
    public string? Defect { get; init; }
}
