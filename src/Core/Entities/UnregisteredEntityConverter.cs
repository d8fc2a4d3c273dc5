using System.ComponentModel;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postrider.Core.Entities;

/// <summary>Refuses references to entities that are not registered: without it they would be written as something that no consumer reads. Not for direct use.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class UnregisteredEntityConverter : JsonConverterFactory
{
    /// <inheritdoc/>
    public override bool CanConvert(Type typeToConvert) => true;

    /// <exception cref="MessagingConfigurationException">Always.</exception>
    public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(typeToConvert);
        throw NotRegistered(typeToConvert.GenericTypeArguments[0]);
    }

    internal static MessagingConfigurationException NotRegistered(Type entity) =>
        new($"Messages refer to {entity}, which is not registered. Register it with AddEntity<{entity.Name}>(\"name\", …), under the same name wherever it is published and consumed.");
}
