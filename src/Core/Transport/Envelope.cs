using System.Collections.ObjectModel;

namespace Postrider.Core.Transport;

/// <summary>A message as it travels: the payload's bytes and the metadata beside it. The body is never wrapped.</summary>
/// <remarks>Immutable. Each transport maps the properties to native ones or to headers, in its envelope mapper.</remarks>
public sealed record Envelope
{
    /// <summary>No headers.</summary>
    public static readonly IReadOnlyDictionary<string, string> NoHeaders = ReadOnlyDictionary<string, string>.Empty;

    private Fields _fields = new() { Attempt = 1, Headers = NoHeaders };

    /// <summary>The message's id, kept through retries and dead-lettering. For a foreign message without one: made from the broker's position.</summary>
    public required string Id { get => _fields.Id; init => _fields.Id = value; }

    /// <summary>The stable name of the message's type, or null for a foreign message that names none.</summary>
    public string? Type { get => _fields.Type; init => _fields.Type = value; }

    /// <summary>The media type of the body, or null if unknown.</summary>
    public string? ContentType { get => _fields.ContentType; init => _fields.ContentType = value; }

    /// <summary>The payload, as serialized.</summary>
    public ReadOnlyMemory<byte> Body { get => _fields.Body; init => _fields.Body = value; }

    /// <summary>When the publisher sent it, on the publisher's clock; null for a foreign message.</summary>
    public DateTimeOffset? SentAt { get => _fields.SentAt; init => _fields.SentAt = value; }

    /// <summary>The topic it was published to; null when it was sent to a queue.</summary>
    public string? Topic { get => _fields.Topic; init => _fields.Topic = value; }

    /// <summary>The application that sent it (CloudEvents <c>source</c>).</summary>
    public string? Source { get => _fields.Source; init => _fields.Source = value; }

    /// <summary>What the message belongs to with others (CloudEvents <c>subject</c>): order is by this key where order is asked for.</summary>
    public string? Key { get => _fields.Key; init => _fields.Key = value; }

    /// <summary>Ties the messages of one business flow together.</summary>
    public string? CorrelationId { get => _fields.CorrelationId; init => _fields.CorrelationId = value; }

    /// <summary>1 plus the failures that came to an outcome. Ours; not to be trusted across a trust boundary.</summary>
    public int Attempt { get => _fields.Attempt; init => _fields.Attempt = value; }

    /// <summary>W3C trace context of the publish.</summary>
    public string? TraceParent { get => _fields.TraceParent; init => _fields.TraceParent = value; }

    /// <summary>W3C trace state.</summary>
    public string? TraceState { get => _fields.TraceState; init => _fields.TraceState = value; }

    /// <summary>W3C baggage.</summary>
    public string? Baggage { get => _fields.Baggage; init => _fields.Baggage = value; }

    /// <summary>The user's own headers. Names are compared exactly.</summary>
    public IReadOnlyDictionary<string, string> Headers { get => _fields.Headers; init => _fields.Headers = value; }

    /// <summary>Set on a message in a dead-letter queue: why it is there.</summary>
    public DeadLetterInfo? DeadLetter { get => _fields.DeadLetter; init => _fields.DeadLetter = value; }

    /// <summary>
    /// Makes it another message, for the Core's own publishes: a transport does not read an envelope after its publish has completed
    /// (<see cref="ITransport.PublishAsync"/>), so the next message may have the same one.
    /// </summary>
    internal void Become(in Fields fields) => _fields = fields;

    internal record struct Fields
    {
        public string Id;
        public string? Type;
        public string? ContentType;
        public ReadOnlyMemory<byte> Body;
        public DateTimeOffset? SentAt;
        public string? Topic;
        public string? Source;
        public string? Key;
        public string? CorrelationId;
        public int Attempt;
        public string? TraceParent;
        public string? TraceState;
        public string? Baggage;
        public IReadOnlyDictionary<string, string> Headers;
        public DeadLetterInfo? DeadLetter;
    }
}

/// <summary>Why a message is in a dead-letter queue, and where it came from.</summary>
public sealed record DeadLetterInfo
{
    /// <summary>The closed reason code.</summary>
    public required DeadLetterReason Reason { get; init; }

    /// <summary>The reason in words, at most 1 KiB.</summary>
    public string? Description { get; init; }

    /// <summary>The full name of the exception's type, if there was one.</summary>
    public string? ExceptionType { get; init; }

    /// <summary>The exception's message, at most 1 KiB.</summary>
    public string? ExceptionMessage { get; init; }

    /// <summary>The exception's stack trace, at most 4 KiB.</summary>
    public string? StackTrace { get; init; }

    /// <summary>How many times a handler ran on it.</summary>
    public int Attempts { get; init; }

    /// <summary>Hand-outs that ended without an outcome.</summary>
    public int Redeliveries { get; init; }

    /// <summary>The queue it was taken from.</summary>
    public required string Queue { get; init; }

    /// <summary>The topic it had been published to, if any.</summary>
    public string? Topic { get; init; }

    /// <summary>When it was dead-lettered, on this host's clock.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>The host that dead-lettered it.</summary>
    public string? Host { get; init; }
}
