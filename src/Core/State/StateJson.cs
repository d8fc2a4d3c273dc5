using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Postrider.Core.State;

/// <summary>The values of the state store that are more than a word.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true)]
[JsonSerializable(typeof(MessagingProcess))]
[JsonSerializable(typeof(OpenCircuit))]
[JsonSerializable(typeof(PausedQueue))]
internal sealed partial class StateJson : JsonSerializerContext
{
    /// <summary>Null for what is no such value: another version may have written it.</summary>
    public static T? Read<T>(StateEntry entry, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(entry.Value.Span, type);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
