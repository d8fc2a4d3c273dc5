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

    /// <summary>Which version of its type's schema the payload has, from 1 on; null if nobody said.</summary>
    public int? SchemaVersion { get => _fields.SchemaVersion; init => _fields.SchemaVersion = value; }

    /// <summary>The media type of the body, or null if unknown.</summary>
    public string? ContentType { get => _fields.ContentType; init => _fields.ContentType = value; }

    /// <summary>How the body is encoded on top of its media type (<c>gzip</c>), or null if it is not.</summary>
    public string? ContentEncoding { get => _fields.ContentEncoding; init => _fields.ContentEncoding = value; }

    /// <summary>The payload, as serialized; on the wire, what its <see cref="ContentEncoding"/> made of that.</summary>
    public ReadOnlyMemory<byte> Body { get => _fields.Body; init => _fields.Body = value; }

    /// <summary>When the publisher sent it, on the publisher's clock, in UTC; null for a foreign message.</summary>
    public DateTimeOffset? SentAt { get => _fields.SentAt; init => _fields.SentAt = value; }

    /// <summary>When what the message tells happened (CloudEvents <c>time</c>), if that is not when it was sent.</summary>
    public DateTimeOffset? OccurredAt { get => _fields.OccurredAt; init => _fields.OccurredAt = value; }

    /// <summary>From when on no consumer is to see it (CloudEvents <c>expirytime</c>), on the publisher's clock; null: never.</summary>
    public DateTimeOffset? ExpiresAt { get => _fields.ExpiresAt; init => _fields.ExpiresAt = value; }

    /// <summary>The topic it was published to; null when it was sent to a queue.</summary>
    public string? Topic { get => _fields.Topic; init => _fields.Topic = value; }

    /// <summary>The application that sent it (CloudEvents <c>source</c>).</summary>
    public string? Source { get => _fields.Source; init => _fields.Source = value; }

    /// <summary>What the message belongs to with others (CloudEvents <c>partitionkey</c>): order is by this key where order is asked for.</summary>
    public string? Key { get => _fields.Key; init => _fields.Key = value; }

    /// <summary>What the message is about, in words of its source (CloudEvents <c>subject</c>).</summary>
    public string? Subject { get => _fields.Subject; init => _fields.Subject = value; }

    /// <summary>Ties the messages of one business flow together (CloudEvents <c>correlationid</c>).</summary>
    public string? CorrelationId { get => _fields.CorrelationId; init => _fields.CorrelationId = value; }

    /// <summary>The id of the message that caused this one (CloudEvents <c>causationid</c>).</summary>
    public string? CausationId { get => _fields.CausationId; init => _fields.CausationId = value; }

    /// <summary>The queue that an answer goes to.</summary>
    public string? ReplyTo { get => _fields.ReplyTo; init => _fields.ReplyTo = value; }

    /// <summary>How urgent it is (<see cref="Priorities"/>), in queues that have priorities; null: nobody said. What is out of range, which only foreign messages are, becomes the nearest.</summary>
    public int? Priority { get => _fields.Priority; init => _fields.Priority = value; }

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

    /// <summary>Gives it another body, for the Core's own publishes.</summary>
    internal void Encode(ReadOnlyMemory<byte> body, string contentEncoding) => (_fields.Body, _fields.ContentEncoding) = (body, contentEncoding);

    /// <summary>What an envelope is made of, as small as it can be, as there is one for each message.</summary>
    internal record struct Fields
    {
        public string Id;
        public string? Type;
        public string? ContentType;
        public ReadOnlyMemory<byte> Body;
        public string? Topic;
        public string? Source;
        public string? Key;
        public string? CorrelationId;
        public string? CausationId;
        public string? TraceParent;
        public IReadOnlyDictionary<string, string> Headers;
        public int Attempt;
        private int _schemaVersion;
        private sbyte _priority;
        private long _sentAt;
        private long _expiresAt;
        private Rare? _rare;

        public int? SchemaVersion
        {
            readonly get => _schemaVersion > 0 ? _schemaVersion : null;
            set => _schemaVersion = value ?? 0;
        }

        public int? Priority
        {
            readonly get => _priority > 0 ? _priority - 1 : null;
            set => _priority = value is { } level ? (sbyte)(Math.Clamp(level, Priorities.Lowest, Priorities.Highest) + 1) : (sbyte)0;
        }

        public DateTimeOffset? SentAt
        {
            readonly get => Time(_sentAt);
            set => _sentAt = Ticks(value);
        }

        public DateTimeOffset? ExpiresAt
        {
            readonly get => Time(_expiresAt);
            set => _expiresAt = Ticks(value);
        }

        public DateTimeOffset? OccurredAt
        {
            readonly get => _rare?.OccurredAt;
            set => _rare = value is null && _rare is null ? null : (_rare ?? Rare.None) with { OccurredAt = value };
        }

        public string? ContentEncoding
        {
            readonly get => _rare?.ContentEncoding;
            set => _rare = value is null && _rare is null ? null : (_rare ?? Rare.None) with { ContentEncoding = value };
        }

        public string? Subject
        {
            readonly get => _rare?.Subject;
            set => _rare = value is null && _rare is null ? null : (_rare ?? Rare.None) with { Subject = value };
        }

        public string? ReplyTo
        {
            readonly get => _rare?.ReplyTo;
            set => _rare = value is null && _rare is null ? null : (_rare ?? Rare.None) with { ReplyTo = value };
        }

        public string? TraceState
        {
            readonly get => _rare?.TraceState;
            set => _rare = value is null && _rare is null ? null : (_rare ?? Rare.None) with { TraceState = value };
        }

        public string? Baggage
        {
            readonly get => _rare?.Baggage;
            set => _rare = value is null && _rare is null ? null : (_rare ?? Rare.None) with { Baggage = value };
        }

        public DeadLetterInfo? DeadLetter
        {
            readonly get => _rare?.DeadLetter;
            set => _rare = value is null && _rare is null ? null : (_rare ?? Rare.None) with { DeadLetter = value };
        }

        private static DateTimeOffset? Time(long ticks) => ticks == 0 ? null : new(ticks, TimeSpan.Zero);

        private static long Ticks(DateTimeOffset? time) => time?.UtcTicks ?? 0;
    }

    /// <summary>What few messages have. Immutable, as copies of an envelope share it.</summary>
    private sealed record Rare
    {
        public static readonly Rare None = new();

        public DateTimeOffset? OccurredAt { get; init; }

        public string? ContentEncoding { get; init; }

        public string? Subject { get; init; }

        public string? ReplyTo { get; init; }

        public string? TraceState { get; init; }

        public string? Baggage { get; init; }

        public DeadLetterInfo? DeadLetter { get; init; }
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
