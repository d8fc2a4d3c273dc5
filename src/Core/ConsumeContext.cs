using Postrider.Core.Transport;

namespace Postrider;

/// <summary>The delivery that is being handled. Valid until the handler returns; not thread-safe.</summary>
public sealed class ConsumeContext
{
    internal ConsumeContext()
    {
    }

    /// <summary>The message's metadata and raw body; of a message that an <see cref="IEnvelopeDecoder"/> took, what that made of it.</summary>
    public Envelope Envelope { get; internal set; } = null!;

    /// <summary>The message's id.</summary>
    public string MessageId => Envelope.Id;

    /// <summary>The stable name of its type, or null for a foreign message that names none.</summary>
    public string? MessageType => Envelope.Type;

    /// <summary>Which version of its type's schema it has; 1 if nobody said.</summary>
    public int SchemaVersion => Envelope.SchemaVersion ?? 1;

    /// <summary>The application that sent it.</summary>
    public string? Source => Envelope.Source;

    /// <summary>When what it tells happened: when it was sent, unless the publisher said otherwise.</summary>
    public DateTimeOffset? OccurredAt => Envelope.OccurredAt ?? Envelope.SentAt;

    /// <summary>When it was sent, on the publisher's clock; null for a foreign message.</summary>
    public DateTimeOffset? SentAt => Envelope.SentAt;

    /// <summary>From when on no handler gets it; null: never.</summary>
    public DateTimeOffset? ExpiresAt => Envelope.ExpiresAt;

    /// <summary>The topic it was published to; null when it was sent to the queue.</summary>
    public string? Topic => Envelope.Topic;

    /// <summary>What it belongs to with others.</summary>
    public string? Key => Envelope.Key;

    /// <summary>What it is about.</summary>
    public string? Subject => Envelope.Subject;

    /// <summary>The media type of its body.</summary>
    public string? ContentType => Envelope.ContentType;

    /// <summary>How its body is encoded on top of that.</summary>
    public string? ContentEncoding => Envelope.ContentEncoding;

    /// <summary>Ties the messages of one flow together.</summary>
    public string? CorrelationId => Envelope.CorrelationId;

    /// <summary>The id of the message that caused it.</summary>
    public string? CausationId => Envelope.CausationId;

    /// <summary>The queue that an answer goes to.</summary>
    public string? ReplyTo => Envelope.ReplyTo;

    /// <summary>The queue it came from.</summary>
    public string Queue => Delivery.Queue;

    /// <summary>Where the broker has it, for people to find it; null where it has no such place.</summary>
    public string? BrokerPosition => Delivery.BrokerPosition;

    /// <summary>The name of the consumer that handles it.</summary>
    public string Consumer { get; internal set; } = null!;

    /// <summary>1 for the first handler run, 2 for the first retry.</summary>
    public int Attempt => Envelope.Attempt;

    /// <summary>Hand-outs that ended without an outcome.</summary>
    public int Redeliveries => Delivery.Redeliveries;

    /// <summary>The user's own headers.</summary>
    public IReadOnlyDictionary<string, string> Headers => Envelope.Headers;

    /// <summary>The delivery's own dependency injection scope.</summary>
    public IServiceProvider Services { get; internal set; } = null!;

    internal Delivery Delivery { get; set; } = null!;

    internal TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>Cancelled when the lease was lost, when the drain at shutdown ran out of time, or by <see cref="HandlerTimeout"/>.</summary>
    public CancellationToken CancellationToken { get; internal set; }
}
