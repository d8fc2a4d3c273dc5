using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postrider.Storefront;

/// <summary>What the consumers work on. A body without one of these fields, or with a null, is malformed.</summary>
[Message("orders.placed")]
public sealed record OrderPlaced(
    int Number, DateTimeOffset PlacedAt, Customer Customer, string Currency, IReadOnlyList<OrderLine> Lines, string Payment, string? Note = null);

public sealed record Customer(string Name, string Email, string Language);

public sealed record OrderLine(string Sku, int Quantity, decimal UnitPrice);

/// <summary>The same message as the shop's front end sent it: bytes that nobody has looked at. Each consumer decodes, and so validates, for itself.</summary>
[Message("orders.placed")]
[JsonConverter(typeof(SubmittedOrder.AsItCame))]
public sealed record SubmittedOrder(ReadOnlyMemory<byte> Json)
{
    internal sealed class AsItCame : JsonConverter<SubmittedOrder>
    {
        public override void Write(Utf8JsonWriter writer, SubmittedOrder value, JsonSerializerOptions options) =>
            writer.WriteRawValue(value.Json.Span, skipInputValidation: true);

        public override SubmittedOrder Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            throw new NotSupportedException("Orders are received as OrderPlaced.");
    }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(OrderPlaced))]
[JsonSerializable(typeof(SubmittedOrder))]
public sealed partial class OrderJson : JsonSerializerContext;
