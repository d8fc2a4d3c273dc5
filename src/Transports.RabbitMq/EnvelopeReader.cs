using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Postrider.Core.Transport;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <summary>What came from the broker → envelope. Tolerates whatever other clients write; never throws.</summary>
internal static class EnvelopeReader
{
    /// <param name="exchange">Where it was published.</param>
    /// <param name="routingKey">With which key; the topic, if it was published to our exchange of topics.</param>
    /// <param name="properties">Its properties.</param>
    /// <param name="body">Its body; kept.</param>
    /// <param name="redeliveries">Hand-outs without an outcome, those before a hand-back included.</param>
    public static Envelope Read(string exchange, string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, out int redeliveries)
    {
        var fields = default(Fields);
        fields.Topic = exchange == RabbitMqTopology.Topics ? routingKey : null;
        if (properties.Headers is Dictionary<string, object?> headers)
        {
            foreach (var (name, value) in headers)
            {
                if (value is not null)
                {
                    ReadHeader(name, value, ref fields);
                }
            }
        }

        redeliveries = (int)Math.Min(int.MaxValue, (long)fields.Counted + fields.Before);
        return new Envelope
        {
            Id = fields.Id ?? (string.IsNullOrEmpty(properties.MessageId) ? MadeId(exchange, routingKey, properties, body) : properties.MessageId),
            Type = properties.Type ?? fields.Type,
            Source = properties.AppId ?? fields.Source,
            SchemaVersion = fields.SchemaVersion > 0 ? fields.SchemaVersion : null,
            ContentType = properties.ContentType ?? fields.ContentType,
            ContentEncoding = properties.ContentEncoding ?? fields.ContentEncoding,
            CorrelationId = properties.CorrelationId ?? fields.CorrelationId,
            CausationId = fields.CausationId,
            ReplyTo = properties.ReplyTo ?? fields.ReplyTo,
            SentAt = fields.RecordedTime ?? fields.Time ?? Timestamp(properties),
            OccurredAt = fields.RecordedTime is null ? null : fields.Time ?? Timestamp(properties),
            ExpiresAt = fields.ExpiryTime,
            Key = fields.Key,
            Subject = fields.Subject,
            Priority = fields.Level ?? (properties.IsPriorityPresent() ? properties.Priority : null),
            TraceParent = fields.TraceParent,
            TraceState = fields.TraceState,
            Baggage = fields.Baggage,
            Topic = fields.Topic,
            Attempt = Math.Max(1, fields.Attempt),
            Headers = fields.User ?? Envelope.NoHeaders,
            Body = body,
            DeadLetter = fields.Reason is null ? null : DeadLetter(fields),
        };
    }

    /// <summary>The id that the message was sent with: what a message that the broker returns is known by.</summary>
    public static string? Id(IReadOnlyBasicProperties properties) =>
        properties.MessageId ?? (properties.Headers?.TryGetValue(EnvelopeMapper.LongId, out var id) == true && id is not null ? HeaderText.Of(id) : null);

    private static DeadLetterInfo DeadLetter(in Fields fields) => new()
    {
        Reason = DeadLetterReasonNames.FromWireName(fields.Reason) ?? DeadLetterReason.Rejected,
        Description = fields.Description,
        ExceptionType = fields.ExceptionType,
        ExceptionMessage = fields.ExceptionMessage,
        StackTrace = fields.Stack,
        Attempts = fields.Attempts,
        Redeliveries = fields.DeadRedeliveries,
        Queue = fields.DeadQueue ?? "",
        Topic = fields.DeadTopic,
        At = fields.At ?? DateTimeOffset.UnixEpoch,
        Host = fields.Host,
    };

    private static void ReadHeader(string name, object value, ref Fields f)
    {
        switch (name)
        {
            case EnvelopeMapper.TraceParent: f.TraceParent = HeaderText.Of(value); return;
            case EnvelopeMapper.TraceState: f.TraceState = HeaderText.Of(value); return;
            case EnvelopeMapper.Baggage: f.Baggage = HeaderText.Of(value); return;
            case "x-delivery-count": f.Counted = HeaderText.Number(value); return;
        }

        if (name.StartsWith(EnvelopeMapper.Prefix, StringComparison.Ordinal))
        {
            ReadOwn(name, value, ref f);
        }
        else if (name.StartsWith("cloudEvents", StringComparison.Ordinal) && name.Length > EnvelopeMapper.CloudEvents.Length
            && name[EnvelopeMapper.CloudEvents.Length - 1] is '_' or ':')
        {
            ReadCloudEvent(name, value, ref f);
        }
        else if (!EnvelopeMapper.IsBrokers(name))
        {
            (f.User ??= new(StringComparer.Ordinal))[name] = HeaderText.Of(value);
        }
    }

    private static void ReadOwn(string name, object value, ref Fields f)
    {
        if (name.StartsWith(EnvelopeMapper.UserPrefix, StringComparison.Ordinal))
        {
            (f.User ??= new(StringComparer.Ordinal))[name[EnvelopeMapper.UserPrefix.Length..]] = HeaderText.Of(value);
            return;
        }

        switch (name)
        {
            case EnvelopeMapper.SchemaVersion: f.SchemaVersion = HeaderText.Number(value); break;
            case EnvelopeMapper.Topic: f.Topic = HeaderText.Of(value); break;
            case EnvelopeMapper.Level: f.Level = HeaderText.Number(value); break;
            case EnvelopeMapper.Attempt: f.Attempt = HeaderText.Number(value); break;
            case EnvelopeMapper.Redeliveries: f.Before = HeaderText.Number(value); break;
            case EnvelopeMapper.LongId: f.Id = HeaderText.Of(value); break;
            case EnvelopeMapper.LongType: f.Type = HeaderText.Of(value); break;
            case EnvelopeMapper.LongContentType: f.ContentType = HeaderText.Of(value); break;
            case EnvelopeMapper.LongContentEncoding: f.ContentEncoding = HeaderText.Of(value); break;
            case EnvelopeMapper.LongCorrelationId: f.CorrelationId = HeaderText.Of(value); break;
            case EnvelopeMapper.LongReplyTo: f.ReplyTo = HeaderText.Of(value); break;
            case EnvelopeMapper.LongSource: f.Source = HeaderText.Of(value); break;
            case EnvelopeMapper.Reason: f.Reason = HeaderText.Of(value); break;
            case EnvelopeMapper.Description: f.Description = HeaderText.Of(value); break;
            case EnvelopeMapper.ExceptionType: f.ExceptionType = HeaderText.Of(value); break;
            case EnvelopeMapper.ExceptionMessage: f.ExceptionMessage = HeaderText.Of(value); break;
            case EnvelopeMapper.Stack: f.Stack = HeaderText.Of(value); break;
            case EnvelopeMapper.Attempts: f.Attempts = HeaderText.Number(value); break;
            case EnvelopeMapper.DeadRedeliveries: f.DeadRedeliveries = HeaderText.Number(value); break;
            case EnvelopeMapper.DeadQueue: f.DeadQueue = HeaderText.Of(value); break;
            case EnvelopeMapper.DeadTopic: f.DeadTopic = HeaderText.Of(value); break;
            case EnvelopeMapper.At: f.At = HeaderText.Time(value); break;
            case EnvelopeMapper.Host: f.Host = HeaderText.Of(value); break;
        }
    }

    /// <summary>Both prefixes of the AMQP binding of CloudEvents. What is also a property counts only without it.</summary>
    private static void ReadCloudEvent(string name, object value, ref Fields f)
    {
        switch (name[EnvelopeMapper.CloudEvents.Length..])
        {
            case "time": f.Time = HeaderText.Time(value); break;
            case "recordedtime": f.RecordedTime = HeaderText.Time(value); break;
            case "expirytime": f.ExpiryTime = HeaderText.Time(value); break;
            case "subject": f.Subject = HeaderText.Of(value); break;
            case "partitionkey": f.Key = HeaderText.Of(value); break;
            case "causationid": f.CausationId = HeaderText.Of(value); break;
            case "correlationid": f.CorrelationId ??= HeaderText.Of(value); break;
            case "id": f.Id ??= HeaderText.Of(value); break;
            case "type": f.Type ??= HeaderText.Of(value); break;
            case "source": f.Source ??= HeaderText.Of(value); break;
            case "datacontenttype": f.ContentType ??= HeaderText.Of(value); break;
            case "traceparent": f.TraceParent ??= HeaderText.Of(value); break;
            case "tracestate": f.TraceState ??= HeaderText.Of(value); break;
            case "specversion": break;
            case var attribute when CloudEventHeaders.Prefix + attribute is var extension && CloudEventHeaders.IsExtension(extension):
                (f.User ??= new(StringComparer.Ordinal))[extension] = HeaderText.Of(value);
                break;
            default: (f.User ??= new(StringComparer.Ordinal))[name] = HeaderText.Of(value); break;
        }
    }

    private static DateTimeOffset? Timestamp(IReadOnlyBasicProperties properties)
    {
        var seconds = properties.IsTimestampPresent() ? properties.Timestamp.UnixTime : 0;
        return seconds is > 0 and < 253_402_300_800 ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null;
    }

    /// <summary>
    /// AMQP knows a message by no position that outlives its redelivery, so a foreign message without an id is known by what it is. Two
    /// that are equal in everything have the same id.
    /// </summary>
    private static string MadeId(string exchange, string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var text in (ReadOnlySpan<string?>)[
            exchange, routingKey, properties.Type, properties.AppId, properties.CorrelationId, properties.ContentType,
            properties.ReplyTo, properties.Timestamp.UnixTime.ToString(CultureInfo.InvariantCulture)])
        {
            hash.AppendData(Encoding.UTF8.GetBytes(text ?? ""));
            hash.AppendData([0]);
        }

        hash.AppendData(body.Span);
        return "amqp:" + Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 16));
    }

    private struct Fields
    {
        public string? Id, Type, Source, Key, Subject, ContentType, ContentEncoding, TraceParent, TraceState, Baggage, Topic;
        public string? CorrelationId, CausationId, ReplyTo;
        public string? Reason, Description, ExceptionType, ExceptionMessage, Stack, DeadQueue, DeadTopic, Host;
        public DateTimeOffset? Time, RecordedTime, ExpiryTime, At;
        public int SchemaVersion, Attempt, Counted, Before, Attempts, DeadRedeliveries;
        public int? Level;
        public Dictionary<string, string>? User;
    }
}
