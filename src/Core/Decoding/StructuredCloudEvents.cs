using System.Globalization;
using System.Text.Json;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;
using Postrider.Json;

namespace Postrider.Core.Decoding;

/// <summary>CloudEvents 1.0 in structured mode: the body is a JSON event, its attributes become the envelope's properties and its data the body.</summary>
internal sealed class StructuredCloudEvents : IEnvelopeDecoder
{
    private const string Family = "application/cloudevents";
    private const string Json = "application/json";

    public Envelope? Decode(Envelope envelope)
    {
        if (envelope.ContentType is not { } contentType || !contentType.StartsWith(Family, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        switch (MediaType.WithoutParameters(contentType)[Family.Length..])
        {
            case "+json":
                try
                {
                    return Read(envelope);
                }
                catch (Exception e) when (e is JsonException or FormatException or ArgumentException)
                {
                    throw new MalformedMessageException($"The body is not a CloudEvent in JSON: {e.Message}", e);
                }

            case "-batch+json":
                throw new MalformedMessageException("The body is a batch of CloudEvents. A message is one event: publish them one by one.");
            default:
                return null;
        }
    }

    private static Envelope Read(Envelope envelope)
    {
        var e = new Event();
        for (var members = new JsonMembers(envelope.Body); members.Next();)
        {
            if (members.Kind != JsonTokenType.Null || members.Name == "data")
            {
                Read(ref members, ref e);
            }
        }

        if (e.SpecVersion is not "1.0")
        {
            throw new MalformedMessageException(
                $"The body is a CloudEvent of the version '{e.SpecVersion}'; what is read is 1.0.");
        }

        var (body, contentType) = Data(e);
        var time = e.Time ?? envelope.SentAt;
        return envelope with
        {
            Id = Required("id", e.Id),
            Type = Required("type", e.Type),
            Source = Required("source", e.Source),
            SentAt = e.RecordedTime ?? time,
            OccurredAt = e.RecordedTime is null ? envelope.OccurredAt : time,
            ExpiresAt = e.ExpiryTime ?? envelope.ExpiresAt,
            Subject = e.Subject ?? envelope.Subject,
            Key = e.Key ?? envelope.Key,
            CorrelationId = e.CorrelationId ?? envelope.CorrelationId,
            CausationId = e.CausationId ?? envelope.CausationId,
            TraceParent = envelope.TraceParent ?? e.TraceParent,
            TraceState = envelope.TraceParent is null ? e.TraceState : envelope.TraceState,
            Headers = Merged(envelope.Headers, e.Extensions),
            ContentType = contentType,
            Body = body,
        };
    }

    private static void Read(ref JsonMembers members, ref Event e)
    {
        switch (members.Name)
        {
            case "specversion": e.SpecVersion = members.Text(); break;
            case "id": e.Id = members.Text(); break;
            case "type": e.Type = members.Text(); break;
            case "source": e.Source = members.Text(); break;
            case "subject": e.Subject = members.Text(); break;
            case "time": e.Time = Time(members); break;
            case "recordedtime": e.RecordedTime = Time(members); break;
            case "expirytime": e.ExpiryTime = Time(members); break;
            case "partitionkey": e.Key = members.Text(); break;
            case "correlationid": e.CorrelationId = members.Text(); break;
            case "causationid": e.CausationId = members.Text(); break;
            case "traceparent": e.TraceParent = members.Text(); break;
            case "tracestate": e.TraceState = members.Text(); break;
            case "datacontenttype": e.ContentType = members.Text(); break;
            case "data": (e.Data, e.Text) = (members.Value, members.Kind == JsonTokenType.String ? members.Text() : null); break;
            case "data_base64": e.Base64 = members.Text(); break;
            default: (e.Extensions ??= [])[CloudEventHeaders.Prefix + members.Name] = members.Text()!; break;
        }
    }

    private static (ReadOnlyMemory<byte> Body, string? ContentType) Data(in Event e)
    {
        if (e.Base64 is not null)
        {
            return e.Data is null
                ? ((ReadOnlyMemory<byte>)Convert.FromBase64String(e.Base64), e.ContentType)
                : throw new FormatException("It has both 'data' and 'data_base64'.");
        }

        if (e.Data is not { } data)
        {
            return (default, e.ContentType);
        }

        var contentType = e.ContentType ?? Json;
        return MediaType.IsJson(contentType) ? (data, contentType)
            : e.Text is not null ? ((ReadOnlyMemory<byte>)Text.Charset(contentType).GetBytes(e.Text), contentType)
            : throw new FormatException($"Its data is of the type '{contentType}', but it is not a string.");
    }

    private static DateTimeOffset Time(in JsonMembers members) =>
        DateTimeOffset.TryParse(members.Text(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time
            : throw new FormatException($"Its '{members.Name}' is no time.");

    private static string Required(string attribute, string? value) =>
        string.IsNullOrEmpty(value) ? throw new MalformedMessageException($"The body is a CloudEvent without '{attribute}'.") : value;

    private static IReadOnlyDictionary<string, string> Merged(IReadOnlyDictionary<string, string> headers, Dictionary<string, string>? extensions)
    {
        if (extensions is null)
        {
            return headers;
        }

        foreach (var (name, value) in headers)
        {
            extensions.TryAdd(name, value);
        }

        return extensions;
    }

    private struct Event
    {
        public string? SpecVersion, Id, Type, Source, Subject, Key, CorrelationId, CausationId, TraceParent, TraceState, ContentType, Text, Base64;
        public DateTimeOffset? Time, RecordedTime, ExpiryTime;
        public ReadOnlyMemory<byte>? Data;
        public Dictionary<string, string>? Extensions;
    }
}
