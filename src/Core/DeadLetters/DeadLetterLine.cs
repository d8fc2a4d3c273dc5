using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Postrider.Core.Transport;

namespace Postrider.Core.DeadLetters;

/// <summary>A dead letter as a line of JSON, for files that people read: the body is text where it is UTF-8, else base64; nothing is lost either way.</summary>
internal static class DeadLetterLine
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The line, with its end.</summary>
    public static ReadOnlyMemory<byte> Write(Envelope envelope)
    {
        var output = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(output, Options))
        {
            json.WriteStartObject();
            Text(json, "id", envelope.Id);
            Text(json, "type", envelope.Type);
            Number(json, "schemaVersion", envelope.SchemaVersion);
            Text(json, "contentType", envelope.ContentType);
            Text(json, "contentEncoding", envelope.ContentEncoding);
            Time(json, "sentAt", envelope.SentAt);
            Time(json, "occurredAt", envelope.OccurredAt);
            Time(json, "expiresAt", envelope.ExpiresAt);
            Text(json, "topic", envelope.Topic);
            Text(json, "source", envelope.Source);
            Text(json, "key", envelope.Key);
            Text(json, "subject", envelope.Subject);
            Text(json, "correlationId", envelope.CorrelationId);
            Text(json, "causationId", envelope.CausationId);
            Text(json, "replyTo", envelope.ReplyTo);
            Number(json, "priority", envelope.Priority);
            Number(json, "attempt", envelope.Attempt);
            Text(json, "traceParent", envelope.TraceParent);
            Text(json, "traceState", envelope.TraceState);
            Text(json, "baggage", envelope.Baggage);
            if (envelope.Headers.Count > 0)
            {
                json.WriteStartObject("headers");
                foreach (var (name, value) in envelope.Headers)
                {
                    json.WriteString(name, value);
                }

                json.WriteEndObject();
            }

            if (envelope.DeadLetter is { } info)
            {
                json.WriteStartObject("deadLetter");
                Text(json, "reason", info.Reason.ToWireName());
                Text(json, "description", info.Description);
                Text(json, "exceptionType", info.ExceptionType);
                Text(json, "exceptionMessage", info.ExceptionMessage);
                Text(json, "stackTrace", info.StackTrace);
                Number(json, "attempts", info.Attempts);
                Number(json, "redeliveries", info.Redeliveries);
                Text(json, "queue", info.Queue);
                Text(json, "topic", info.Topic);
                Time(json, "at", info.At);
                Text(json, "host", info.Host);
                json.WriteEndObject();
            }

            if (AsText(envelope.Body.Span) is { } text)
            {
                json.WriteString("body", text);
            }
            else
            {
                json.WriteBase64String("bodyBase64", envelope.Body.Span);
            }

            json.WriteEndObject();
        }

        output.Write("\n"u8);
        return output.WrittenMemory;
    }

    /// <exception cref="MalformedMessageException">It is not such a line.</exception>
    public static Envelope Read(string line, long number)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            return new Envelope
            {
                Id = Text(root, "id") ?? throw new FormatException("It has no id."),
                Type = Text(root, "type"),
                SchemaVersion = Number(root, "schemaVersion"),
                ContentType = Text(root, "contentType"),
                ContentEncoding = Text(root, "contentEncoding"),
                SentAt = Time(root, "sentAt"),
                OccurredAt = Time(root, "occurredAt"),
                ExpiresAt = Time(root, "expiresAt"),
                Topic = Text(root, "topic"),
                Source = Text(root, "source"),
                Key = Text(root, "key"),
                Subject = Text(root, "subject"),
                CorrelationId = Text(root, "correlationId"),
                CausationId = Text(root, "causationId"),
                ReplyTo = Text(root, "replyTo"),
                Priority = Number(root, "priority"),
                Attempt = Math.Max(1, Number(root, "attempt") ?? 1),
                TraceParent = Text(root, "traceParent"),
                TraceState = Text(root, "traceState"),
                Baggage = Text(root, "baggage"),
                Headers = root.TryGetProperty("headers", out var headers)
                    ? headers.EnumerateObject().ToDictionary(static one => one.Name, static one => one.Value.GetString() ?? "")
                    : Envelope.NoHeaders,
                DeadLetter = root.TryGetProperty("deadLetter", out var info) ? Info(info) : null,
                Body = root.TryGetProperty("bodyBase64", out var bytes) ? bytes.GetBytesFromBase64() : Utf8.GetBytes(Text(root, "body") ?? ""),
            };
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or ArgumentException)
        {
            throw new MalformedMessageException($"Line {number} is no dead letter: {e.Message}", e);
        }
    }

    private static DeadLetterInfo Info(JsonElement info) => new()
    {
        Reason = DeadLetterReasonNames.FromWireName(Text(info, "reason")) ?? DeadLetterReason.Rejected,
        Description = Text(info, "description"),
        ExceptionType = Text(info, "exceptionType"),
        ExceptionMessage = Text(info, "exceptionMessage"),
        StackTrace = Text(info, "stackTrace"),
        Attempts = Number(info, "attempts") ?? 0,
        Redeliveries = Number(info, "redeliveries") ?? 0,
        Queue = Text(info, "queue") ?? "",
        Topic = Text(info, "topic"),
        At = Time(info, "at") ?? DateTimeOffset.UnixEpoch,
        Host = Text(info, "host"),
    };

    private static string? AsText(ReadOnlySpan<byte> body)
    {
        try
        {
            return Utf8.GetString(body);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    private static void Text(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
        {
            json.WriteString(name, value);
        }
    }

    private static void Number(Utf8JsonWriter json, string name, int? value)
    {
        if (value is { } number)
        {
            json.WriteNumber(name, number);
        }
    }

    private static void Time(Utf8JsonWriter json, string name, DateTimeOffset? value)
    {
        if (value is { } time)
        {
            json.WriteString(name, time);
        }
    }

    private static string? Text(JsonElement element, string name) => element.TryGetProperty(name, out var value) ? value.GetString() : null;

    private static int? Number(JsonElement element, string name) => element.TryGetProperty(name, out var value) ? value.GetInt32() : null;

    private static DateTimeOffset? Time(JsonElement element, string name) => element.TryGetProperty(name, out var value) ? value.GetDateTimeOffset() : null;
}
