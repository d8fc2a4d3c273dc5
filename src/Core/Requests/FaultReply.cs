using System.Buffers;
using System.Text.Json;
using Postrider.Core.Transport;

namespace Postrider.Core.Requests;

/// <summary>The body of an answer that says why there is no other: JSON, written and read by hand, as no serializer of the application knows it.</summary>
internal static class FaultReply
{
    public const string TypeName = "postrider.fault";

    public static ReadOnlyMemory<byte> Write(DeadLetterInfo info)
    {
        var body = new ArrayBufferWriter<byte>(256);
        using var json = new Utf8JsonWriter(body);
        json.WriteStartObject();
        json.WriteString("reason", info.Reason.ToWireName());
        json.WriteString("description", info.Description);
        json.WriteString("exceptionType", info.ExceptionType);
        json.WriteString("exceptionMessage", info.ExceptionMessage);
        json.WriteString("queue", info.Queue);
        json.WriteNumber("attempts", info.Attempts);
        json.WriteEndObject();
        json.Flush();
        return body.WrittenMemory;
    }

    /// <summary>Whatever it looks like, it is a fault.</summary>
    public static RequestFaultedException Read(ReadOnlyMemory<byte> body, string requestId)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            var reason = Text(json.RootElement, "reason");
            var description = Text(json.RootElement, "description");
            return new(
                $"The request {requestId} has failed, {reason ?? "for no reason that is told"}: {description}", requestId, DeadLetterReasonNames.FromWireName(reason),
                description, Text(json.RootElement, "exceptionType"), Text(json.RootElement, "exceptionMessage"));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return new($"The request {requestId} has failed. What was told of it cannot be read: {e.Message}", requestId);
        }
    }

    private static string? Text(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
