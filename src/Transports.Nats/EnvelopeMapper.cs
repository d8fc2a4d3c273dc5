using System.Diagnostics;
using System.Globalization;
using NATS.Client.Core;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>Envelope → headers; the body stays as it is. The way back is <see cref="EnvelopeReader"/>.</summary>
/// <remarks>
/// <para>Metadata have their CloudEvents names (<c>ce-</c>, by the binding for NATS) or <see cref="Prefix"/>, and are percent-encoded; the three
/// W3C headers are plain. A user's header is plain where it can be. One of a reserved name (<c>Nats-</c> means something to the server), or that
/// cannot stand in a line, is kept apart under <see cref="UserPrefix"/>, its name and value encoded.</para>
/// </remarks>
internal static class EnvelopeMapper
{
    public const string MessageId = "Nats-Msg-Id";
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
    public const string ContentType = "ce-datacontenttype";

    /// <summary>By the binding for NATS it tells that the body is a whole CloudEvent.</summary>
    public const string PlainContentType = "content-type";
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
    public const string Priority = Prefix + "priority";

    /// <summary>Redeliveries of earlier copies of this message, which the server's count no longer has.</summary>
    public const string Counted = Prefix + "counted";

    /// <summary>Of a message on a topic: the queues, separated by commas, that have a copy of their own in one of their levels and take no notice of this one.</summary>
    public const string Copied = Prefix + "copied";

    /// <summary>Of a parked message: how long it waits, from its storing on, in microseconds.</summary>
    public const string Delay = Prefix + "delay";

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

    /// <summary>Has listeners when the client's own source has: then it writes the span of its call over the message's trace, which goes in headers of ours too.</summary>
    private static readonly ActivitySource ClientTracing = new("NATS.Net");

    /// <summary>Fills the headers of a message.</summary>
    /// <param name="headers">Empty ones.</param>
    /// <param name="envelope">The message.</param>
    /// <param name="messageId">By which the server finds duplicates.</param>
    /// <param name="onTopic">It goes to the subject of its topic, which need not be told again.</param>
    /// <param name="delay">For a parked message, else zero.</param>
    /// <param name="counted">For one that was handed back: its redeliveries so far.</param>
    /// <param name="copied">On a topic: the queues that have a copy of their own.</param>
    /// <exception cref="ArgumentException">A string holds half a surrogate pair.</exception>
    public static void Write(NatsHeaders headers, Envelope envelope, string messageId, bool onTopic, TimeSpan delay = default, int counted = 0, string? copied = null)
    {
        headers[MessageId] = messageId;
        if (envelope.Type is not null && envelope.Source is not null)
        {
            // It has all that makes a CloudEvent.
            headers[SpecVersion] = "1.0";
        }

        Text(headers, Id, envelope.Id);
        Text(headers, Type, envelope.Type);
        Text(headers, Source, envelope.Source);
        Moment(headers, Time, envelope.OccurredAt ?? envelope.SentAt);
        Moment(headers, RecordedTime, envelope.OccurredAt is null ? null : envelope.SentAt);
        Moment(headers, ExpiryTime, envelope.ExpiresAt);
        Text(headers, Subject, envelope.Subject);
        Text(headers, Key, envelope.Key);
        Text(headers, IsStructured(envelope.ContentType) ? PlainContentType : ContentType, envelope.ContentType);
        Text(headers, ContentEncoding, envelope.ContentEncoding);
        Plain(headers, TraceParent, envelope.TraceParent);
        Plain(headers, TraceState, envelope.TraceState);
        Plain(headers, Baggage, envelope.Baggage);
        if (ClientTracing.HasListeners())
        {
            headers[Prefix + TraceParent] = HeaderText.Encode(envelope.TraceParent ?? "");
            headers[Prefix + TraceState] = HeaderText.Encode(envelope.TraceState ?? "");
            headers[Prefix + Baggage] = HeaderText.Encode(envelope.Baggage ?? "");
        }

        Text(headers, Topic, onTopic ? null : envelope.Topic);
        Text(headers, CorrelationId, envelope.CorrelationId);
        Text(headers, CausationId, envelope.CausationId);
        Text(headers, ReplyTo, envelope.ReplyTo);
        Number(headers, SchemaVersion, envelope.SchemaVersion ?? 0);
        Number(headers, Attempt, envelope.Attempt == 1 ? 0 : envelope.Attempt);
        Number(headers, Counted, counted);
        Text(headers, Copied, copied);
        if (envelope.Priority is { } priority)
        {
            headers[Priority] = priority.ToString(CultureInfo.InvariantCulture);
        }

        Number(headers, Delay, (delay.Ticks + 9) / 10);
        if (envelope.Headers.Count > 0)
        {
            foreach (var (name, value) in envelope.Headers)
            {
                User(headers, name, value);
            }
        }

        if (envelope.DeadLetter is { } info)
        {
            WriteInfo(headers, info);
        }
    }

    /// <summary>Whether the name is one of ours or means something to the server, so that a user's header of that name is kept apart.</summary>
    public static bool IsReserved(ReadOnlySpan<char> name) =>
        name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase)
        || name.StartsWith("ce-", StringComparison.OrdinalIgnoreCase)
        || name.StartsWith("nats-", StringComparison.OrdinalIgnoreCase)
        || name.Equals(PlainContentType, StringComparison.OrdinalIgnoreCase)
        || name.Equals(ContentEncoding, StringComparison.OrdinalIgnoreCase)
        || name.Equals(TraceParent, StringComparison.OrdinalIgnoreCase)
        || name.Equals(TraceState, StringComparison.OrdinalIgnoreCase)
        || name.Equals(Baggage, StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether the media type is that of a CloudEvent in structured mode.</summary>
    public static bool IsStructured(string? contentType) => contentType?.StartsWith("application/cloudevents", StringComparison.OrdinalIgnoreCase) == true;

    private static void WriteInfo(NatsHeaders headers, DeadLetterInfo info)
    {
        headers[Reason] = info.Reason.ToWireName();
        Words(headers, Description, info.Description);
        Words(headers, ExceptionType, info.ExceptionType);
        Words(headers, ExceptionMessage, info.ExceptionMessage);
        Words(headers, Stack, info.StackTrace);
        Number(headers, Attempts, info.Attempts);
        Number(headers, Redeliveries, info.Redeliveries);
        Words(headers, DeadQueue, info.Queue);
        Words(headers, DeadTopic, info.Topic);
        headers[At] = info.At.ToString("O", CultureInfo.InvariantCulture);
        Words(headers, Host, info.Host);
    }

    private static void Text(NatsHeaders headers, string name, string? value)
    {
        if (value is not null)
        {
            headers[name] = HeaderText.Encode(value);
        }
    }

    private static void Moment(NatsHeaders headers, string name, DateTimeOffset? value)
    {
        if (value is { } time)
        {
            headers[name] = time.ToString("O", CultureInfo.InvariantCulture);
        }
    }

    /// <summary>As it is, for other clients to read; what cannot stand in a line goes the way of users' headers.</summary>
    private static void Plain(NatsHeaders headers, string name, string? value)
    {
        if (value is null)
        {
            return;
        }

        if (HeaderText.IsPlain(value))
        {
            headers[name] = value;
        }
        else
        {
            headers[Prefix + name] = HeaderText.Encode(value);
        }
    }

    private static void User(NatsHeaders headers, string name, string value)
    {
        if (CloudEventHeaders.IsExtension(name))
        {
            headers[name] = HeaderText.Encode(value);
        }
        else if (HeaderText.IsPlainName(name) && HeaderText.IsPlain(value) && !IsReserved(name))
        {
            headers[name] = value;
        }
        else
        {
            headers[UserPrefix + HeaderText.EncodeName(name)] = HeaderText.Encode(value);
        }
    }

    private static void Number(NatsHeaders headers, string name, long value)
    {
        if (value != 0)
        {
            headers[name] = value.ToString(CultureInfo.InvariantCulture);
        }
    }

    /// <summary>Texts of exceptions are not the user's to correct: half a surrogate pair is replaced.</summary>
    private static void Words(NatsHeaders headers, string name, string? value)
    {
        if (value is not null)
        {
            headers[name] = HeaderText.Encode(Clean(value));
        }
    }

    private static string Clean(string value)
    {
        for (var i = 0; i < value.Length; i++)
        {
            if (char.IsSurrogate(value[i]))
            {
                return System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(value));
            }
        }

        return value;
    }
}
