using System.Buffers;
using System.Globalization;
using System.Text;
using Postrider.Core.Transport;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>Envelope → basic properties and headers. The body travels as it is. The way back is <see cref="EnvelopeReader"/>.</summary>
/// <remarks>
/// <para>What AMQP has a property for is that property; one that is longer than the 255 bytes of an AMQP short string is a header with
/// <see cref="Prefix"/>. The rest are headers under their CloudEvents or W3C names, or with <see cref="Prefix"/>. A user's header of
/// such a name, or of one that the broker uses, is kept apart under <see cref="UserPrefix"/>.</para>
/// <para>Not thread-safe: properties and headers are used again for each message.</para>
/// </remarks>
/// <param name="cloudEvents">Whether to write as headers, too, what CloudEvents require and AMQP has properties for.</param>
internal sealed class EnvelopeMapper(bool cloudEvents)
{
    public const string CloudEvents = "cloudEvents_";
    public const string SpecVersion = CloudEvents + "specversion";
    public const string Id = CloudEvents + "id";
    public const string Type = CloudEvents + "type";
    public const string Source = CloudEvents + "source";
    public const string CorrelationId = CloudEvents + "correlationid";
    public const string Time = CloudEvents + "time";
    public const string RecordedTime = CloudEvents + "recordedtime";
    public const string ExpiryTime = CloudEvents + "expirytime";
    public const string Subject = CloudEvents + "subject";
    public const string Key = CloudEvents + "partitionkey";
    public const string CausationId = CloudEvents + "causationid";
    public const string TraceParent = "traceparent";
    public const string TraceState = "tracestate";
    public const string Baggage = "baggage";

    public const string Prefix = "x-postrider-";
    public const string UserPrefix = Prefix + "user-";
    public const string Topic = Prefix + "topic";
    public const string SchemaVersion = Prefix + "schema-version";
    public const string Attempt = Prefix + "attempt";

    /// <summary>
    /// The priority. Not AMQP's property: no exchange goes by that, and RabbitMQ 4 lets messages that have it overtake others in any quorum queue, also in those
    /// without priorities.
    /// </summary>
    public const string Level = Prefix + "priority";

    /// <summary>Its values.</summary>
    public static readonly string[] Levels = [.. Enumerable.Range(Priorities.Lowest, Priorities.Count).Select(static level => level.ToString(CultureInfo.InvariantCulture))];

    /// <summary>Redeliveries counted before this copy was made, by a hand-back that must not be counted.</summary>
    public const string Redeliveries = Prefix + "redeliveries";

    public const string LongId = Prefix + "id";
    public const string LongType = Prefix + "type";
    public const string LongContentType = Prefix + "content-type";
    public const string LongContentEncoding = Prefix + "content-encoding";
    public const string LongCorrelationId = Prefix + "correlation-id";
    public const string LongReplyTo = Prefix + "reply-to";
    public const string LongSource = Prefix + "source";

    public const string Reason = Prefix + "reason";
    public const string Description = Prefix + "description";
    public const string ExceptionType = Prefix + "exception-type";
    public const string ExceptionMessage = Prefix + "exception-message";
    public const string Stack = Prefix + "stack";
    public const string Attempts = Prefix + "attempts";
    public const string DeadRedeliveries = Prefix + "dead-redeliveries";
    public const string DeadQueue = Prefix + "queue";
    public const string DeadTopic = Prefix + "dead-topic";
    public const string At = Prefix + "at";
    public const string Host = Prefix + "host";

    /// <summary>The length of an AMQP short string: names of headers, most properties.</summary>
    public const int LongestShort = 255;

    /// <summary>All headers are one frame, whose size is limited to 128 KiB.</summary>
    public const int LongestHeaders = 120_000;

    private static readonly SearchValues<char> Surrogates = SearchValues.Create([.. Enumerable.Range(0xD800, 0x800).Select(static unit => (char)unit)]);
    private static readonly object[] Numbers = [.. Enumerable.Range(0, 64).Select(static number => (object)number)];

    private readonly HeaderTable _headers = [];
    private readonly BasicProperties _properties = new() { DeliveryMode = DeliveryModes.Persistent };
    private readonly byte[] _time = new byte[24];

    /// <summary>The properties of a message, good until the next call.</summary>
    /// <param name="message">What is sent.</param>
    /// <param name="exchange">Where it is published.</param>
    public BasicProperties Write(in WireMessage message, string exchange)
    {
        var envelope = message.Envelope;
        _headers.Clear();
        _properties.Headers = _headers;
        _properties.MessageId = Short(envelope.Id, LongId);
        _properties.Type = Short(envelope.Type, LongType);
        _properties.ContentType = Short(envelope.ContentType, LongContentType);
        _properties.ContentEncoding = Short(envelope.ContentEncoding, LongContentEncoding);
        _properties.CorrelationId = Short(envelope.CorrelationId, LongCorrelationId);
        _properties.ReplyTo = Short(envelope.ReplyTo, LongReplyTo);
        _properties.AppId = Short(envelope.Source, LongSource);
        var isEvent = cloudEvents && envelope.Type is not null && envelope.Source is not null;
        if (isEvent)
        {
            _headers.Add(SpecVersion, "1.0");
            Text(Id, envelope.Id);
            Text(Type, envelope.Type);
            Text(Source, envelope.Source);
            Text(CorrelationId, envelope.CorrelationId);
        }

        WriteTime(envelope.OccurredAt ?? envelope.SentAt, asHeader: isEvent);
        Moment(RecordedTime, envelope.OccurredAt is null ? null : envelope.SentAt);
        Moment(ExpiryTime, envelope.ExpiresAt);
        Text(Subject, envelope.Subject);
        Text(Key, envelope.Key);
        Text(CausationId, envelope.CausationId);
        Text(TraceParent, envelope.TraceParent);
        Text(TraceState, envelope.TraceState);
        Text(Baggage, envelope.Baggage);
        if (exchange != RabbitMqTopology.Topics)
        {
            // Otherwise it is the routing key.
            Text(Topic, envelope.Topic);
        }

        if (envelope.SchemaVersion is { } version)
        {
            Number(SchemaVersion, version);
        }

        Text(Level, envelope.Priority is { } level ? Levels[level] : null);
        if (envelope.Attempt != 1)
        {
            Number(Attempt, envelope.Attempt);
        }

        if (message.Redeliveries != 0)
        {
            Number(Redeliveries, message.Redeliveries);
        }

        if (!ReferenceEquals(envelope.Headers, Envelope.NoHeaders))
        {
            foreach (var (name, value) in envelope.Headers)
            {
                var written = IsReserved(name) ? UserPrefix + name
                    : CloudEventHeaders.IsExtension(name) ? string.Concat(CloudEvents, name.AsSpan(CloudEventHeaders.Prefix.Length))
                    : name;
                _headers.Add(written, value ?? "");
            }
        }

        if (message.Headers is { IsEmpty: false } added)
        {
            foreach (var (name, value) in added)
            {
                if (!_headers.ContainsKey(name))
                {
                    _headers.Add(name, value);
                }
            }
        }

        if (envelope.DeadLetter is { } info)
        {
            WriteInfo(info);
        }

        return _properties;
    }

    /// <summary>Why the message cannot be put into AMQP, or null.</summary>
    /// <param name="envelope">The message.</param>
    /// <param name="cloudEvents">Some of it is written twice, then.</param>
    public static string? WhyUnfit(Envelope envelope, bool cloudEvents)
    {
        if (string.IsNullOrEmpty(envelope.Id))
        {
            return "It has no id.";
        }

        long size = 1000;
        if (!Fits(envelope.Id, ref size) || !Fits(envelope.Type, ref size) || !Fits(envelope.ContentType, ref size) || !Fits(envelope.CorrelationId, ref size)
            || !Fits(envelope.ContentEncoding, ref size) || !Fits(envelope.CausationId, ref size) || !Fits(envelope.ReplyTo, ref size)
            || !Fits(envelope.Subject, ref size) || !Fits(envelope.Source, ref size) || !Fits(envelope.Key, ref size) || !Fits(envelope.Topic, ref size) || !Fits(envelope.TraceParent, ref size)
            || !Fits(envelope.TraceState, ref size) || !Fits(envelope.Baggage, ref size)
            || (cloudEvents && !(Fits(envelope.Id, ref size) && Fits(envelope.Type, ref size) && Fits(envelope.Source, ref size) && Fits(envelope.CorrelationId, ref size))))
        {
            return "A property holds half a surrogate pair.";
        }

        if (!ReferenceEquals(envelope.Headers, Envelope.NoHeaders))
        {
            foreach (var (name, value) in envelope.Headers)
            {
                if (!Fits(name, ref size) || !Fits(value, ref size))
                {
                    return "A header holds half a surrogate pair.";
                }

                if (name.Length > LongestShort / 4 && Encoding.UTF8.GetByteCount(name) + UserPrefix.Length > LongestShort)
                {
                    return $"The name of a header has more than {LongestShort - UserPrefix.Length} bytes.";
                }
            }
        }

        return size > LongestHeaders ? $"Its properties and headers have more than {LongestHeaders} bytes." : null;
    }

    /// <summary>Whether the name is one of ours or the broker's, so that a user's header of that name is kept apart.</summary>
    public static bool IsReserved(string name) =>
        name.StartsWith(Prefix, StringComparison.Ordinal)
        || name.StartsWith("cloudEvents", StringComparison.Ordinal)
        || name is TraceParent or TraceState or Baggage or "CC" or "BCC"
        || IsBrokers(name);

    /// <summary>Whether the broker or the client library sets it.</summary>
    public static bool IsBrokers(string name) =>
        name.StartsWith("x-", StringComparison.Ordinal)
        && (name is "x-death" or "x-delivery-count" or "x-acquired-count" or "x-stream-offset" or "x-dotnet-pub-seq-no" or "x-received-from"
            || name.StartsWith("x-first-death-", StringComparison.Ordinal)
            || name.StartsWith("x-last-death-", StringComparison.Ordinal)
            || name.StartsWith("x-opt-", StringComparison.Ordinal));

    private static bool Fits(string? text, ref long size)
    {
        if (text is null)
        {
            return true;
        }

        // Counted exactly only where it could matter.
        size += 8 + (text.Length < 100 ? text.Length : Encoding.UTF8.GetByteCount(text));
        return IsText(text);
    }

    private static bool IsText(ReadOnlySpan<char> text)
    {
        while (text.IndexOfAny(Surrogates) is >= 0 and var i)
        {
            if (i + 1 >= text.Length || !char.IsSurrogatePair(text[i], text[i + 1]))
            {
                return false;
            }

            text = text[(i + 2)..];
        }

        return true;
    }

    private void WriteTime(DateTimeOffset? time, bool asHeader)
    {
        if (time is not { } at)
        {
            _properties.Timestamp = default;
            return;
        }

        var (seconds, milliseconds) = (at.ToUnixTimeSeconds(), at.ToUnixTimeMilliseconds());
        _properties.Timestamp = seconds > 0 ? new(seconds) : default;
        if (asHeader || seconds <= 0 || milliseconds != seconds * 1000)
        {
            at.UtcDateTime.TryFormat(_time, out _, "yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
            _headers.Add(Time, _time);
        }
    }

    private void Moment(string name, DateTimeOffset? time) => Text(name, time?.ToString("O", CultureInfo.InvariantCulture));

    private void WriteInfo(DeadLetterInfo info)
    {
        Text(Reason, info.Reason.ToWireName());
        Text(Description, info.Description);
        Text(ExceptionType, info.ExceptionType);
        Text(ExceptionMessage, info.ExceptionMessage);
        Text(Stack, info.StackTrace);
        Number(Attempts, info.Attempts);
        Number(DeadRedeliveries, info.Redeliveries);
        Text(DeadQueue, info.Queue);
        Text(DeadTopic, info.Topic);
        Moment(At, info.At);
        Text(Host, info.Host);
    }

    private string? Short(string? value, string header)
    {
        if (value is null || value.Length <= LongestShort / 3 || Encoding.UTF8.GetByteCount(value) <= LongestShort)
        {
            return value;
        }

        _headers.Add(header, value);
        return null;
    }

    private void Text(string name, string? value)
    {
        if (value is not null)
        {
            _headers.Add(name, value);
        }
    }

    private void Number(string name, int value) => _headers.Add(name, (uint)value < (uint)Numbers.Length ? Numbers[value] : value);
}
