using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postrider.Core.Entities;

/// <summary><c>{ "$ref": "name/id" }</c>, with the one name that the type is registered under.</summary>
internal sealed class EntityRefConverter<TEntity>(string name) : JsonConverter<EntityRef<TEntity>>
    where TEntity : class
{
    private const string Ref = "$ref";

    public override EntityRef<TEntity> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        string? text = null;
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw new JsonException($"A reference to an entity is an object with '{Ref}'.");
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isRef = reader.ValueTextEquals(Ref);
            reader.Read();
            if (isRef && reader.TokenType == JsonTokenType.String)
            {
                text = reader.GetString();
            }

            reader.Skip();
        }

        var slash = text?.IndexOf('/', StringComparison.Ordinal) ?? -1;
        if (slash < 0 || slash == text!.Length - 1)
        {
            throw new JsonException($"A reference to an entity is an object with '{Ref}', whose value is like '{name}/7'.");
        }

        return text.AsSpan(0, slash).SequenceEqual(name)
            ? new(text[(slash + 1)..])
            : throw new EntityReferenceException($"The message refers to '{text}' where '{name}/…' is expected.");
    }

    public override void Write(Utf8JsonWriter writer, EntityRef<TEntity> value, JsonSerializerOptions options)
    {
        if (string.IsNullOrEmpty(value.Id))
        {
            throw new EntityReferenceException($"A reference to '{name}' has no id.");
        }

        writer.WriteStartObject();
        writer.WriteString(Ref, $"{name}/{value.Id}");
        writer.WriteEndObject();
    }
}
