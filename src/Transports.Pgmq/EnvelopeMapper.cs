using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq;

/// <summary>Envelope → the columns <c>message</c> and <c>headers</c>. The way back is <see cref="EnvelopeReader"/>.</summary>
/// <remarks>
/// <para>A JSON body that jsonb keeps is the message itself (white space and the order of keys are not kept). Any other body travels
/// byte by byte, as a JSON string of base64 with the header <see cref="BodyForm"/>.</para>
/// <para>Metadata are headers under their CloudEvents or W3C names, or with <see cref="Prefix"/>. A user's header of such a name is kept
/// apart under <see cref="UserPrefix"/>.</para>
/// </remarks>
internal static class EnvelopeMapper
{
    public const string SpecVersion = "ce-specversion";
    public const string Id = "ce-id";
    public const string Type = "ce-type";
    public const string Source = "ce-source";
    public const string Time = "ce-time";
    public const string RecordedTime = "ce-recordedtime";
    public const string ExpiryTime = "ce-expirytime";
    public const string Subject = "ce-subject";
    public const string Key = "ce-partitionkey";
    public const string CorrelationId = "ce-correlationid";
    public const string CausationId = "ce-causationid";
    public const string DataContentType = "ce-datacontenttype";
    public const string EventTraceParent = "ce-traceparent";
    public const string EventTraceState = "ce-tracestate";
    public const string ContentType = "content-type";
    public const string ContentEncoding = "content-encoding";
    public const string TraceParent = "traceparent";
    public const string TraceState = "tracestate";
    public const string Baggage = "baggage";

    public const string Prefix = "x-postrider-";
    public const string UserPrefix = Prefix + "user-";
    public const string Topic = Prefix + "topic";
    public const string SchemaVersion = Prefix + "schema-version";
    public const string ReplyTo = Prefix + "reply-to";
    public const string Attempt = Prefix + "attempt";

    /// <summary>Also in the function <c>postrider.level</c>.</summary>
    public const string Priority = Prefix + "priority";

    /// <summary>The part of <c>read_ct</c> that is accounted for: hand-outs that came to an outcome, or were handed back untouched.</summary>
    public const string Reads = Prefix + "reads";
    public const string BodyForm = Prefix + "body";
    public const string Base64 = "base64";

    public const string Reason = Prefix + "reason";
    public const string Description = Prefix + "description";
    public const string ExceptionType = Prefix + "exception-type";
    public const string ExceptionMessage = Prefix + "exception-message";
    public const string Stack = Prefix + "stack";
    public const string Attempts = Prefix + "attempts";
    public const string Redeliveries = Prefix + "redeliveries";
    public const string DeadQueue = Prefix + "queue";
    public const string DeadTopic = Prefix + "dead-topic";
    public const string At = Prefix + "at";
    public const string Host = Prefix + "host";

    private const string Json = "application/json";
    private static readonly SearchValues<char> Suspicious = SearchValues.Create(['\0', .. Enumerable.Range(0xD800, 0x800).Select(unit => (char)unit)]);
    [ThreadStatic]
    private static PooledBuffer? s_buffer;

    [ThreadStatic]
    private static Utf8JsonWriter? s_json;

    private static readonly JsonEncodedText Version = JsonEncodedText.Encode("1.0");
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    /// <summary>The columns of a message. Copies: nothing of the envelope is read afterwards.</summary>
    /// <exception cref="ArgumentException">A string cannot be stored: it holds U+0000 or half a surrogate pair.</exception>
    public static (byte[] Message, byte[] Headers) Write(Envelope envelope)
    {
        var plain = IsJson(envelope.ContentType) && JsonBody.IsKept(envelope.Body.Span);
        var buffer = s_buffer ??= new PooledBuffer(512);
        var json = s_json ??= new Utf8JsonWriter(buffer, Options);
        buffer.Reset();
        json.Reset();
        json.WriteStartObject();
        if (envelope.Type is not null && envelope.Source is not null)
        {
            // It has all that makes a CloudEvent.
            json.WriteString(Names.SpecVersion, Version);
        }

        Text(json, Names.Id, envelope.Id);
        Text(json, Names.Type, envelope.Type);
        Text(json, Names.Source, envelope.Source);
        Moment(json, Names.Time, envelope.OccurredAt ?? envelope.SentAt);
        Moment(json, Names.RecordedTime, envelope.OccurredAt is null ? null : envelope.SentAt);
        Moment(json, Names.ExpiryTime, envelope.ExpiresAt);
        Text(json, Names.Subject, envelope.Subject);
        Text(json, Names.Key, envelope.Key);
        Text(json, Names.ContentType, envelope.ContentType);
        Text(json, Names.ContentEncoding, envelope.ContentEncoding);
        Text(json, Names.TraceParent, envelope.TraceParent);
        Text(json, Names.TraceState, envelope.TraceState);
        Text(json, Names.Baggage, envelope.Baggage);
        Text(json, Names.Topic, envelope.Topic);
        Text(json, Names.CorrelationId, envelope.CorrelationId);
        Text(json, Names.CausationId, envelope.CausationId);
        Text(json, Names.ReplyTo, envelope.ReplyTo);
        if (envelope.SchemaVersion is { } version)
        {
            json.WriteNumber(SchemaVersion, version);
        }

        if (envelope.Priority is { } level)
        {
            json.WriteNumber(Priority, level);
        }

        if (envelope.Attempt != 1)
        {
            json.WriteNumber(Attempt, envelope.Attempt);
        }

        if (!plain)
        {
            json.WriteString(BodyForm, Base64);
        }

        foreach (var (name, value) in envelope.Headers)
        {
            Text(json, IsReserved(name) ? UserPrefix + name : name, value);
        }

        if (envelope.DeadLetter is { } info)
        {
            WriteInfo(json, info);
        }

        json.WriteEndObject();
        json.Flush();
        return (plain ? envelope.Body.ToArray() : Raw(envelope.Body.Span), buffer.Written.ToArray());
    }

    /// <summary>The headers that a dead letter gets in addition to its own.</summary>
    public static byte[] WriteDeadLetter(Envelope envelope, DeadLetterInfo info)
    {
        using var buffer = new PooledBuffer(1024);
        using var json = new Utf8JsonWriter(buffer, Options);
        json.WriteStartObject();
        // A foreign message has its id from its place in the queue that it leaves now.
        json.WriteString(Id, Clean(envelope.Id));
        WriteInfo(json, info);
        json.WriteEndObject();
        json.Flush();
        return buffer.Written.ToArray();
    }

    private static void WriteInfo(Utf8JsonWriter json, DeadLetterInfo info)
    {
        json.WriteString(Reason, info.Reason.ToWireName());
        Words(json, Description, info.Description);
        Words(json, ExceptionType, info.ExceptionType);
        Words(json, ExceptionMessage, info.ExceptionMessage);
        Words(json, Stack, info.StackTrace);
        json.WriteNumber(Attempts, info.Attempts);
        json.WriteNumber(Redeliveries, info.Redeliveries);
        Words(json, DeadQueue, info.Queue);
        Words(json, DeadTopic, info.Topic);
        json.WriteString(At, info.At);
        Words(json, Host, info.Host);
    }

    /// <summary>Whether the name is one of ours, so that a user's header of that name is kept apart.</summary>
    public static bool IsReserved(string name) =>
        name.StartsWith(Prefix, StringComparison.Ordinal)
        || name is SpecVersion or Id or Type or Source or Time or RecordedTime or ExpiryTime or Subject or Key or CorrelationId or CausationId
            or DataContentType or EventTraceParent or EventTraceState or ContentType or ContentEncoding or TraceParent or TraceState or Baggage;

    /// <summary>Whether the media type is JSON: <c>application/json</c> or any with <c>+json</c>, whatever its parameters.</summary>
    public static bool IsJson(string? contentType)
    {
        if (contentType is null or Json)
        {
            return contentType is not null;
        }

        var media = contentType.AsSpan();
        var parameters = media.IndexOf(';');
        media = (parameters < 0 ? media : media[..parameters]).Trim();
        return media.Equals(Json, StringComparison.OrdinalIgnoreCase) || media.EndsWith("+json", StringComparison.OrdinalIgnoreCase);
    }

    private static byte[] Raw(ReadOnlySpan<byte> body)
    {
        var result = new byte[System.Buffers.Text.Base64.GetMaxEncodedToUtf8Length(body.Length) + 2];
        System.Buffers.Text.Base64.EncodeToUtf8(body, result.AsSpan(1), out _, out _);
        result[0] = result[^1] = (byte)'"';
        return result;
    }

    private static void Text(Utf8JsonWriter json, string name, string? value)
    {
        if (value is null)
        {
            return;
        }

        Check(name, value);
        json.WriteString(name, value);
    }

    private static void Text(Utf8JsonWriter json, JsonEncodedText name, string? value)
    {
        if (value is not null)
        {
            Check(name.Value, value);
            json.WriteString(name, value);
        }
    }

    private static void Moment(Utf8JsonWriter json, JsonEncodedText name, DateTimeOffset? value)
    {
        if (value is { } time)
        {
            json.WriteString(name, time);
        }
    }

    private static void Check(string name, string value)
    {
        if (!IsText(value) || !IsText(name))
        {
            throw new ArgumentException($"The header '{Clean(name)}' holds U+0000 or half a surrogate pair, which PostgreSQL cannot store.");
        }
    }

    /// <summary>Texts of exceptions are not the user's to correct: what cannot be stored is replaced.</summary>
    private static void Words(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
        {
            json.WriteString(name, Clean(value));
        }
    }

    private static string Clean(string value) =>
        IsText(value) ? value : Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(value)).Replace('\0', '\uFFFD');

    /// <summary>Whether PostgreSQL can store it: no U+0000 and no half surrogate pair.</summary>
    private static bool IsText(ReadOnlySpan<char> value)
    {
        if (!value.ContainsAnyExceptInRange(' ', '~'))
        {
            return true;
        }

        while (value.IndexOfAny(Suspicious) is >= 0 and var i)
        {
            if (i + 1 >= value.Length || !char.IsSurrogatePair(value[i], value[i + 1]))
            {
                return false;
            }

            value = value[(i + 2)..];
        }

        return true;
    }

    /// <summary>The names that nearly every message has, encoded once.</summary>
    private static class Names
    {
        public static readonly JsonEncodedText SpecVersion = JsonEncodedText.Encode(EnvelopeMapper.SpecVersion);
        public static readonly JsonEncodedText Id = JsonEncodedText.Encode(EnvelopeMapper.Id);
        public static readonly JsonEncodedText Type = JsonEncodedText.Encode(EnvelopeMapper.Type);
        public static readonly JsonEncodedText Source = JsonEncodedText.Encode(EnvelopeMapper.Source);
        public static readonly JsonEncodedText Time = JsonEncodedText.Encode(EnvelopeMapper.Time);
        public static readonly JsonEncodedText RecordedTime = JsonEncodedText.Encode(EnvelopeMapper.RecordedTime);
        public static readonly JsonEncodedText ExpiryTime = JsonEncodedText.Encode(EnvelopeMapper.ExpiryTime);
        public static readonly JsonEncodedText Subject = JsonEncodedText.Encode(EnvelopeMapper.Subject);
        public static readonly JsonEncodedText Key = JsonEncodedText.Encode(EnvelopeMapper.Key);
        public static readonly JsonEncodedText ContentType = JsonEncodedText.Encode(EnvelopeMapper.ContentType);
        public static readonly JsonEncodedText ContentEncoding = JsonEncodedText.Encode(EnvelopeMapper.ContentEncoding);
        public static readonly JsonEncodedText TraceParent = JsonEncodedText.Encode(EnvelopeMapper.TraceParent);
        public static readonly JsonEncodedText TraceState = JsonEncodedText.Encode(EnvelopeMapper.TraceState);
        public static readonly JsonEncodedText Baggage = JsonEncodedText.Encode(EnvelopeMapper.Baggage);
        public static readonly JsonEncodedText Topic = JsonEncodedText.Encode(EnvelopeMapper.Topic);
        public static readonly JsonEncodedText CorrelationId = JsonEncodedText.Encode(EnvelopeMapper.CorrelationId);
        public static readonly JsonEncodedText CausationId = JsonEncodedText.Encode(EnvelopeMapper.CausationId);
        public static readonly JsonEncodedText ReplyTo = JsonEncodedText.Encode(EnvelopeMapper.ReplyTo);
    }
}
