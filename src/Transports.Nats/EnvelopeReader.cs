using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>Headers and body → envelope. Tolerates whatever other clients write; never throws.</summary>
/// <remarks>Not thread-safe: it remembers the last value of texts that repeat from message to message.</remarks>
internal sealed class EnvelopeReader
{
    private Remembered _type;
    private Remembered _source;
    private Remembered _topic;
    private Remembered _contentType;

    /// <param name="headers">The bytes of the headers, empty if there are none.</param>
    /// <param name="body">The body, which becomes the envelope's.</param>
    /// <param name="topic">The topic whose subject it came on, or null.</param>
    /// <param name="position">Where the message is, for the id of one that has none.</param>
    public ReadMessage Read(ReadOnlySpan<byte> headers, byte[] body, string? topic, in Position position)
    {
        var f = default(Fields);
        if (Headers.Line(ref headers, out _))
        {
            while (Headers.Line(ref headers, out var line))
            {
                if (Headers.Split(line, out var name, out var value))
                {
                    ReadHeader(name, value, ref f);
                }
            }
        }

        var envelope = new Envelope
        {
            Id = string.IsNullOrEmpty(f.Id) ? string.Create(CultureInfo.InvariantCulture, $"nats:{position.Stream}:{position.Sequence}") : f.Id,
            Type = f.Type,
            Source = f.Source,
            SchemaVersion = f.SchemaVersion > 0 ? (int)Math.Min(f.SchemaVersion, int.MaxValue) : null,
            SentAt = f.RecordedTime ?? f.Time,
            OccurredAt = f.RecordedTime is null ? null : f.Time,
            ExpiresAt = f.ExpiryTime,
            Key = f.Key,
            Subject = f.Subject,
            ContentType = EnvelopeMapper.IsStructured(f.PlainContentType) ? f.PlainContentType : f.ContentType ?? f.PlainContentType,
            ContentEncoding = f.ContentEncoding,
            TraceParent = Meant(f.OwnTraceParent, f.TraceParent),
            TraceState = Meant(f.OwnTraceState, f.TraceState),
            Baggage = Meant(f.OwnBaggage, f.Baggage),
            Topic = f.Topic ?? topic,
            CorrelationId = f.CorrelationId,
            CausationId = f.CausationId,
            ReplyTo = f.ReplyTo,
            Priority = f.Priority,
            Attempt = (int)Math.Clamp(f.Attempt, 1, int.MaxValue),
            Headers = f.User ?? Envelope.NoHeaders,
            Body = body,
            DeadLetter = f.Reason is null ? null : DeadLetter(f),
        };
        return new(envelope, (int)Math.Min(f.Counted, int.MaxValue / 2), f.Delay, f.Copied);
    }

    /// <summary>A message of a stream that was asked for (<see cref="JetStreamApi.GetMessageAsync"/>).</summary>
    public StoredMessage Read(Answer answer, string stream, string? topicPrefix)
    {
        var message = answer.Root.GetProperty("message");
        var (sequence, subject) = (message.GetProperty("seq").GetUInt64(), message.GetProperty("subject").GetString()!);
        byte[] headers = message.TryGetProperty("hdrs", out var lines) ? lines.GetBytesFromBase64() : [];
        byte[] body = message.TryGetProperty("data", out var data) ? data.GetBytesFromBase64() : [];
        var topic = topicPrefix is not null && subject.StartsWith(topicPrefix, StringComparison.Ordinal) ? subject[topicPrefix.Length..] : null;
        return new(sequence, subject, message.GetProperty("time").GetDateTimeOffset(), Read(headers, body, topic, new(stream, 1, sequence, 0)));
    }

    /// <summary>Ours counts, also if it says that there is none: the other may be the client's (see <see cref="EnvelopeMapper"/>).</summary>
    private static string? Meant(string? own, string? plain) => own is null ? plain : own.Length == 0 ? null : own;

    private static DeadLetterInfo DeadLetter(in Fields f) => new()
    {
        Reason = DeadLetterReasonNames.FromWireName(f.Reason) ?? DeadLetterReason.Rejected,
        Description = f.Description,
        ExceptionType = f.ExceptionType,
        ExceptionMessage = f.ExceptionMessage,
        StackTrace = f.Stack,
        Attempts = (int)Math.Min(f.Attempts, int.MaxValue),
        Redeliveries = (int)Math.Min(f.Redeliveries, int.MaxValue),
        Queue = f.DeadQueue ?? "",
        Topic = f.DeadTopic,
        At = f.At ?? DateTimeOffset.UnixEpoch,
        Host = f.Host,
    };

    private void ReadHeader(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, ref Fields f)
    {
        if (name.StartsWith("ce-"u8))
        {
            switch (name["ce-"u8.Length..])
            {
                case var n when n.SequenceEqual("id"u8): f.Id = HeaderText.Decode(value); return;
                case var n when n.SequenceEqual("type"u8): f.Type = _type.Decode(value); return;
                case var n when n.SequenceEqual("source"u8): f.Source = _source.Decode(value); return;
                case var n when n.SequenceEqual("time"u8): f.Time = TimeOf(value); return;
                case var n when n.SequenceEqual("recordedtime"u8): f.RecordedTime = TimeOf(value); return;
                case var n when n.SequenceEqual("expirytime"u8): f.ExpiryTime = TimeOf(value); return;
                case var n when n.SequenceEqual("subject"u8): f.Subject = HeaderText.Decode(value); return;
                case var n when n.SequenceEqual("partitionkey"u8): f.Key = HeaderText.Decode(value); return;
                case var n when n.SequenceEqual("correlationid"u8): f.CorrelationId = HeaderText.Decode(value); return;
                case var n when n.SequenceEqual("causationid"u8): f.CausationId = HeaderText.Decode(value); return;
                case var n when n.SequenceEqual("datacontenttype"u8): f.ContentType = _contentType.Decode(value); return;
                case var n when n.SequenceEqual("traceparent"u8): f.TraceParent ??= HeaderText.Decode(value); return;
                case var n when n.SequenceEqual("tracestate"u8): f.TraceState ??= HeaderText.Decode(value); return;
                case var n when n.SequenceEqual("specversion"u8): return;
            }

            AddUser(ref f, Encoding.UTF8.GetString(name), HeaderText.Decode(value));
            return;
        }
        else if (name.StartsWith("x-postrider-"u8))
        {
            ReadOwn(name["x-postrider-"u8.Length..], value, ref f);
            return;
        }
        else if (name.StartsWith("Nats-"u8))
        {
            // The server's own business.
            return;
        }
        else if (name.SequenceEqual("traceparent"u8))
        {
            f.TraceParent = Encoding.UTF8.GetString(value);
            return;
        }
        else if (name.SequenceEqual("tracestate"u8))
        {
            f.TraceState = Encoding.UTF8.GetString(value);
            return;
        }
        else if (name.SequenceEqual("baggage"u8))
        {
            f.Baggage = Encoding.UTF8.GetString(value);
            return;
        }
        else if (Ascii.EqualsIgnoreCase(name, "content-type"u8))
        {
            f.PlainContentType = Encoding.UTF8.GetString(value);
            return;
        }
        else if (Ascii.EqualsIgnoreCase(name, "content-encoding"u8))
        {
            f.ContentEncoding = HeaderText.Decode(value);
            return;
        }

        AddUser(ref f, Encoding.UTF8.GetString(name), Encoding.UTF8.GetString(value));
    }

    private void ReadOwn(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, ref Fields f)
    {
        switch (name)
        {
            case var n when n.StartsWith("user-"u8): AddUser(ref f, HeaderText.Decode(n["user-"u8.Length..]), HeaderText.Decode(value)); return;
            case var n when n.SequenceEqual("topic"u8): f.Topic = _topic.Decode(value); return;
            case var n when n.SequenceEqual("schema-version"u8): f.SchemaVersion = Number(value); return;
            case var n when n.SequenceEqual("reply-to"u8): f.ReplyTo = HeaderText.Decode(value); return;
            case var n when n.SequenceEqual("attempt"u8): f.Attempt = Number(value); return;
            case var n when n.SequenceEqual("priority"u8): f.Priority = Utf8Parser.TryParse(value, out int level, out var all) && all == value.Length ? level : null; return;
            case var n when n.SequenceEqual("copied"u8): f.Copied = HeaderText.Decode(value); return;
            case var n when n.SequenceEqual("counted"u8): f.Counted = Number(value); return;
            case var n when n.SequenceEqual("delay"u8): f.Delay = TimeSpan.FromTicks(Math.Min(Number(value), TimeSpan.MaxValue.Ticks / 10) * 10); return;
            case var n when n.SequenceEqual("traceparent"u8): f.OwnTraceParent = HeaderText.Decode(value); return;
            case var n when n.SequenceEqual("tracestate"u8): f.OwnTraceState = HeaderText.Decode(value); return;
            case var n when n.SequenceEqual("baggage"u8): f.OwnBaggage = HeaderText.Decode(value); return;
            case var n when n.SequenceEqual("reason"u8): f.Reason = HeaderText.Decode(value); return;
            case var n when n.SequenceEqual("description"u8): f.Description = HeaderText.Decode(value); return;
            case var n when n.SequenceEqual("exception-type"u8): f.ExceptionType = HeaderText.Decode(value); return;
            case var n when n.SequenceEqual("exception-message"u8): f.ExceptionMessage = HeaderText.Decode(value); return;
            case var n when n.SequenceEqual("stack"u8): f.Stack = HeaderText.Decode(value); return;
            case var n when n.SequenceEqual("attempts"u8): f.Attempts = Number(value); return;
            case var n when n.SequenceEqual("redeliveries"u8): f.Redeliveries = Number(value); return;
            case var n when n.SequenceEqual("queue"u8): f.DeadQueue = HeaderText.Decode(value); return;
            case var n when n.SequenceEqual("dead-topic"u8): f.DeadTopic = HeaderText.Decode(value); return;
            case var n when n.SequenceEqual("at"u8): f.At = TimeOf(value); return;
            case var n when n.SequenceEqual("host"u8): f.Host = HeaderText.Decode(value); return;
        }
    }

    /// <summary>Several values of a name, which other clients may write, become one.</summary>
    private static void AddUser(ref Fields f, string name, string value)
    {
        f.User ??= new(StringComparer.Ordinal);
        f.User[name] = f.User.TryGetValue(name, out var earlier) ? $"{earlier}, {value}" : value;
    }

    private static long Number(ReadOnlySpan<byte> value) =>
        Utf8Parser.TryParse(value, out long number, out var length) && length == value.Length && number > 0 ? number : 0;

    private static DateTimeOffset? TimeOf(ReadOnlySpan<byte> value) =>
        Utf8Parser.TryParse(value, out DateTimeOffset time, out var length, 'O') && length == value.Length
        || DateTimeOffset.TryParse(HeaderText.Decode(value), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out time)
            ? time
            : null;

    private struct Fields
    {
        public string? Id, Type, Source, Key, Subject, ContentType, PlainContentType, ContentEncoding, Topic, CorrelationId, CausationId, ReplyTo;
        public string? TraceParent, TraceState, Baggage, OwnTraceParent, OwnTraceState, OwnBaggage;
        public string? Reason, Description, ExceptionType, ExceptionMessage, Stack, DeadQueue, DeadTopic, Host, Copied;
        public DateTimeOffset? Time, RecordedTime, ExpiryTime, At;
        public long SchemaVersion, Attempt, Counted, Attempts, Redeliveries;
        public int? Priority;
        public TimeSpan Delay;
        public Dictionary<string, string>? User;
    }

    /// <summary>The last value, so that the same bytes are the same string.</summary>
    private struct Remembered
    {
        private byte[]? _bytes;
        private string? _text;

        public string Decode(ReadOnlySpan<byte> value)
        {
            if (_text is null || !value.SequenceEqual(_bytes))
            {
                (_bytes, _text) = (value.ToArray(), HeaderText.Decode(value));
            }

            return _text;
        }
    }
}

/// <summary>What <see cref="EnvelopeReader"/> found.</summary>
/// <param name="Envelope">The message.</param>
/// <param name="Counted">Redeliveries of earlier copies.</param>
/// <param name="Delay">Of a parked message: how long it waits.</param>
/// <param name="Copied">The queues that have a copy of their own.</param>
internal readonly record struct ReadMessage(Envelope Envelope, int Counted, TimeSpan Delay, string? Copied)
{
    public bool IsCopiedFor(string queue) => Copied is not null && Copied.Split(',').Contains(queue, StringComparer.Ordinal);
}
