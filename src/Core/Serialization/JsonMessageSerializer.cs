using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Postrider;

/// <summary>JSON by System.Text.Json, with web defaults (camel case, case-insensitive reading).</summary>
/// <remarks>Give it options with the resolvers of your <c>JsonSerializerContext</c>s for trimmed or ahead-of-time compiled applications.</remarks>
public sealed class JsonMessageSerializer : IMessageSerializer
{
    private static readonly JsonWriterOptions WriterOptions = new() { SkipValidation = true };

    [ThreadStatic]
    private static Utf8JsonWriter? s_writer;

    private readonly JsonSerializerOptions _options;

    /// <summary>Copies the options; null means the web defaults.</summary>
    public JsonMessageSerializer(JsonSerializerOptions? options = null)
    {
        // A broker that stores JSON may reorder properties, so "$type" need not come first.
        _options = new JsonSerializerOptions(options ?? new(JsonSerializerDefaults.Web)) { AllowOutOfOrderMetadataProperties = true };
        _options.TypeInfoResolver ??= ReflectionResolver();
        _options.MakeReadOnly();
    }

    /// <inheritdoc/>
    public string ContentType => "application/json";

    /// <inheritdoc/>
    public void Serialize<TMessage>(IBufferWriter<byte> output, TMessage message)
        where TMessage : notnull
    {
        // A writer is dear to make and holds no message between uses. It is taken out meanwhile, in case a converter serializes a message too.
        var writer = s_writer ?? new Utf8JsonWriter(output, WriterOptions);
        s_writer = null;
        writer.Reset(output);
        JsonSerializer.Serialize(writer, message, TypeInfo<TMessage>());
        writer.Flush();
        writer.Reset(Stream.Null);
        s_writer = writer;
    }

    /// <inheritdoc/>
    public TMessage Deserialize<TMessage>(ReadOnlyMemory<byte> body)
        where TMessage : notnull
    {
        try
        {
            return JsonSerializer.Deserialize(body.Span, TypeInfo<TMessage>())
                ?? throw new MalformedMessageException("The body is JSON null.");
        }
        catch (Exception e) when (e is JsonException or DecoderFallbackException)
        {
            throw new MalformedMessageException($"The body is not JSON of the type {typeof(TMessage).Name}: {e.Message}", e);
        }
    }

    /// <summary>A serializer that has these converters, too.</summary>
    internal JsonMessageSerializer With(IReadOnlyList<JsonConverter> converters)
    {
        if (converters.Count == 0)
        {
            return this;
        }

        var options = new JsonSerializerOptions(_options);
        foreach (var converter in converters)
        {
            options.Converters.Add(converter);
        }

        return new(options);
    }

    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Only where reflection is enabled; elsewhere the options bring their resolvers.")]
    [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "As above.")]
    private static IJsonTypeInfoResolver ReflectionResolver() =>
        JsonSerializer.IsReflectionEnabledByDefault ? new DefaultJsonTypeInfoResolver() : JsonTypeInfoResolver.Combine();

    private JsonTypeInfo<TMessage> TypeInfo<TMessage>() => _options.TryGetTypeInfo(typeof(TMessage), out var info)
        ? (JsonTypeInfo<TMessage>)info
        : throw new MessagingConfigurationException(
            $"There is no JSON metadata of the type {typeof(TMessage)}. In trimmed and ahead-of-time compiled applications list it in a "
            + "JsonSerializerContext and register UseSerializer(new JsonMessageSerializer(YourContext.Default.Options)).");
}
