using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq;

/// <summary>The columns <c>message</c> and <c>headers</c> → envelope. Tolerates whatever other clients write; never throws.</summary>
/// <remarks>Not thread-safe: it remembers the last value of texts that repeat from message to message.</remarks>
internal sealed class EnvelopeReader(string table)
{
    private string? _type;
    private string? _source;
    private string? _topic;
    private string? _contentType = "application/json";

    /// <param name="id">The row's id.</param>
    /// <param name="message">The column as text; null if it is null.</param>
    /// <param name="headers">The column as text; null if it is null.</param>
    /// <param name="counted">The part of <c>read_ct</c> that is accounted for.</param>
    /// <param name="defect">Why the body could not be restored, or null.</param>
    public Envelope Read(long id, byte[]? message, byte[]? headers, out int counted, out string? defect)
    {
        var fields = default(Fields);
        if (headers is not null)
        {
            ReadHeaders(headers, ref fields);
        }

        counted = fields.Reads;
        var body = Body(message ?? [], fields.Raw, out defect);
        return new Envelope
        {
            Id = string.IsNullOrEmpty(fields.Id) ? string.Create(CultureInfo.InvariantCulture, $"pgmq:{table}:{id}") : fields.Id,
            Type = fields.Type,
            Source = fields.Source,
            SchemaVersion = fields.SchemaVersion > 0 ? fields.SchemaVersion : null,
            SentAt = fields.RecordedTime ?? fields.Time,
            OccurredAt = fields.RecordedTime is null ? null : fields.Time,
            ExpiresAt = fields.ExpiryTime,
            Key = fields.Key,
            Subject = fields.Subject,
            // What is in jsonb is JSON, whoever put it there.
            ContentType = fields.ContentType ?? (fields.Raw ? null : "application/json"),
            ContentEncoding = fields.ContentEncoding,
            TraceParent = fields.TraceParent,
            TraceState = fields.TraceState,
            Baggage = fields.Baggage,
            Topic = fields.Topic,
            CorrelationId = fields.CorrelationId,
            CausationId = fields.CausationId,
            ReplyTo = fields.ReplyTo,
            Priority = fields.Priority,
            Attempt = Math.Max(1, fields.Attempt),
            Headers = fields.User ?? Envelope.NoHeaders,
            Body = body,
            DeadLetter = fields.Reason is null ? null : DeadLetter(fields),
        };
    }

    private static DeadLetterInfo DeadLetter(in Fields fields) => new()
    {
        Reason = DeadLetterReasonNames.FromWireName(fields.Reason) ?? DeadLetterReason.Rejected,
        Description = fields.Description,
        ExceptionType = fields.ExceptionType,
        ExceptionMessage = fields.ExceptionMessage,
        StackTrace = fields.Stack,
        Attempts = fields.Attempts,
        Redeliveries = fields.Redeliveries,
        Queue = fields.DeadQueue ?? "",
        Topic = fields.DeadTopic,
        At = fields.At ?? DateTimeOffset.UnixEpoch,
        Host = fields.Host,
    };

    private void ReadHeaders(byte[] headers, ref Fields fields)
    {
        var reader = new Utf8JsonReader(headers, new JsonReaderOptions { MaxDepth = 1000 });
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return;
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var name = reader.ValueIsEscaped ? Encoding.UTF8.GetBytes(reader.GetString()!) : reader.ValueSpan;
                reader.Read();
                if (reader.TokenType != JsonTokenType.Null)
                {
                    ReadHeader(name, ref reader, headers, ref fields);
                }
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // jsonb does not hold what this reader refuses, except for depth. The message is good without the rest of its headers.
        }
    }

    private void ReadHeader(ReadOnlySpan<byte> name, ref Utf8JsonReader reader, byte[] headers, ref Fields f)
    {
        if (name.StartsWith("ce-"u8) || name.StartsWith("content"u8) || name.StartsWith("trace"u8) || name.StartsWith("baggage"u8))
        {
            switch (name)
            {
                case var n when n.SequenceEqual("ce-id"u8): f.Id = Value(ref reader, headers); return;
                case var n when n.SequenceEqual("ce-type"u8): f.Type = Value(ref reader, headers, ref _type); return;
                case var n when n.SequenceEqual("ce-source"u8): f.Source = Value(ref reader, headers, ref _source); return;
                case var n when n.SequenceEqual("ce-time"u8): f.Time = TimeOf(ref reader, headers); return;
                case var n when n.SequenceEqual("ce-subject"u8): f.Subject = Value(ref reader, headers); return;
                case var n when n.SequenceEqual("ce-partitionkey"u8): f.Key = Value(ref reader, headers); return;
                case var n when n.SequenceEqual("ce-correlationid"u8): f.CorrelationId = Value(ref reader, headers); return;
                case var n when n.SequenceEqual("ce-causationid"u8): f.CausationId = Value(ref reader, headers); return;
                case var n when n.SequenceEqual("ce-recordedtime"u8): f.RecordedTime = TimeOf(ref reader, headers); return;
                case var n when n.SequenceEqual("ce-expirytime"u8): f.ExpiryTime = TimeOf(ref reader, headers); return;
                case var n when n.SequenceEqual("ce-specversion"u8): reader.TrySkip(); return;
                case var n when n.SequenceEqual("ce-datacontenttype"u8): f.ContentType ??= Value(ref reader, headers, ref _contentType); return;
                case var n when n.SequenceEqual("ce-traceparent"u8): f.TraceParent ??= Value(ref reader, headers); return;
                case var n when n.SequenceEqual("ce-tracestate"u8): f.TraceState ??= Value(ref reader, headers); return;
                case var n when n.SequenceEqual("content-type"u8): f.ContentType = Value(ref reader, headers, ref _contentType); return;
                case var n when n.SequenceEqual("content-encoding"u8): f.ContentEncoding = Value(ref reader, headers); return;
                case var n when n.SequenceEqual("traceparent"u8): f.TraceParent = Value(ref reader, headers); return;
                case var n when n.SequenceEqual("tracestate"u8): f.TraceState = Value(ref reader, headers); return;
                case var n when n.SequenceEqual("baggage"u8): f.Baggage = Value(ref reader, headers); return;
            }
        }
        else if (name.StartsWith("x-postrider-"u8))
        {
            switch (name["x-postrider-"u8.Length..])
            {
                case var n when n.StartsWith("user-"u8):
                    (f.User ??= new(StringComparer.Ordinal))[Encoding.UTF8.GetString(n["user-"u8.Length..])] = Value(ref reader, headers);
                    return;
                case var n when n.SequenceEqual("topic"u8): f.Topic = Value(ref reader, headers, ref _topic); return;
                case var n when n.SequenceEqual("schema-version"u8): f.SchemaVersion = Number(ref reader, headers); return;
                case var n when n.SequenceEqual("reply-to"u8): f.ReplyTo = Value(ref reader, headers); return;
                case var n when n.SequenceEqual("priority"u8): f.Priority = Level(Value(ref reader, headers)); return;
                case var n when n.SequenceEqual("attempt"u8): f.Attempt = Number(ref reader, headers); return;
                case var n when n.SequenceEqual("reads"u8): f.Reads = Number(ref reader, headers); return;
                case var n when n.SequenceEqual("body"u8): f.Raw = Value(ref reader, headers) == EnvelopeMapper.Base64; return;
                case var n when n.SequenceEqual("reason"u8): f.Reason = Value(ref reader, headers); return;
                case var n when n.SequenceEqual("description"u8): f.Description = Value(ref reader, headers); return;
                case var n when n.SequenceEqual("exception-type"u8): f.ExceptionType = Value(ref reader, headers); return;
                case var n when n.SequenceEqual("exception-message"u8): f.ExceptionMessage = Value(ref reader, headers); return;
                case var n when n.SequenceEqual("stack"u8): f.Stack = Value(ref reader, headers); return;
                case var n when n.SequenceEqual("attempts"u8): f.Attempts = Number(ref reader, headers); return;
                case var n when n.SequenceEqual("redeliveries"u8): f.Redeliveries = Number(ref reader, headers); return;
                case var n when n.SequenceEqual("queue"u8): f.DeadQueue = Value(ref reader, headers); return;
                case var n when n.SequenceEqual("dead-topic"u8): f.DeadTopic = Value(ref reader, headers); return;
                case var n when n.SequenceEqual("at"u8): f.At = TimeOf(ref reader, headers); return;
                case var n when n.SequenceEqual("host"u8): f.Host = Value(ref reader, headers); return;
            }

            reader.TrySkip();
            return;
        }

        (f.User ??= new(StringComparer.Ordinal))[Encoding.UTF8.GetString(name)] = Value(ref reader, headers);
    }

    /// <summary>The text of a string, or the JSON of anything else.</summary>
    private static string Value(ref Utf8JsonReader reader, byte[] headers)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            return reader.GetString()!;
        }

        var start = (int)reader.TokenStartIndex;
        reader.TrySkip();
        return Encoding.UTF8.GetString(headers.AsSpan(start, (int)reader.BytesConsumed - start));
    }

    private static string Value(ref Utf8JsonReader reader, byte[] headers, ref string? last)
    {
        if (last is null || reader.TokenType != JsonTokenType.String || !reader.ValueTextEquals(last))
        {
            last = Value(ref reader, headers);
        }

        return last;
    }

    private static int Number(ref Utf8JsonReader reader, byte[] headers) =>
        int.TryParse(Value(ref reader, headers), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number > 0 ? number : 0;

    /// <summary>As the function <c>postrider.level</c>, which places it in a queue with priorities; what is out of range the envelope puts right.</summary>
    private static int? Level(string text)
    {
        var digits = text.StartsWith('-') ? text.AsSpan(1) : text;
        return digits.Length is > 0 and < 10 && !digits.ContainsAnyExceptInRange('0', '9') ? int.Parse(text, CultureInfo.InvariantCulture) : null;
    }

    private static DateTimeOffset? TimeOf(ref Utf8JsonReader reader, byte[] headers)
    {
        if (reader.TokenType == JsonTokenType.String && reader.TryGetDateTimeOffset(out var time))
        {
            return time;
        }

        _ = Value(ref reader, headers);
        return null;
    }

    private static byte[] Body(byte[] message, bool raw, out string? defect)
    {
        defect = null;
        if (!raw)
        {
            return message;
        }

        if (message is [(byte)'"', .., (byte)'"'])
        {
            var text = message.AsSpan(1..^1);
            var body = new byte[Base64.GetMaxDecodedFromUtf8Length(text.Length)];
            if (Base64.DecodeFromUtf8(text, body, out var read, out var written) == OperationStatus.Done && read == text.Length)
            {
                return written == body.Length ? body : body[..written];
            }
        }

        defect = $"The header '{EnvelopeMapper.BodyForm}' says base64, but the message is not a JSON string of base64.";
        return message;
    }

    private struct Fields
    {
        public string? Id, Type, Source, Key, Subject, ContentType, ContentEncoding, TraceParent, TraceState, Baggage, Topic;
        public string? CorrelationId, CausationId, ReplyTo;
        public string? Reason, Description, ExceptionType, ExceptionMessage, Stack, DeadQueue, DeadTopic, Host;
        public DateTimeOffset? Time, RecordedTime, ExpiryTime, At;
        public int? Priority;
        public int SchemaVersion, Attempt, Reads, Attempts, Redeliveries;
        public bool Raw;
        public Dictionary<string, string>? User;
    }
}
