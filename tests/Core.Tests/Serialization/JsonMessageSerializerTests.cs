using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Serialization;

public sealed class JsonMessageSerializerTests
{
    [Fact]
    public void A_type_without_metadata_is_named_with_what_to_do()
    {
        var serializer = new JsonMessageSerializer(new JsonSerializerOptions { TypeInfoResolver = JsonTypeInfoResolver.Combine() });
        var e = Assert.Throws<MessagingConfigurationException>(() => serializer.Serialize(new ArrayBufferWriter<byte>(), new Ping(1)));
        Assert.Contains("JsonSerializerContext", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("""{"number":"one"}""")]
    [InlineData("""{"number":1} {"number":2}""")]
    public void What_is_not_the_type_is_malformed(string body) =>
        Assert.Throws<MalformedMessageException>(() => new JsonMessageSerializer().Deserialize<Ping>(Encoding.UTF8.GetBytes(body)));

    [Fact]
    public void Invalid_UTF_8_and_bottomless_JSON_are_malformed()
    {
        var serializer = new JsonMessageSerializer();
        Assert.Throws<MalformedMessageException>(() => serializer.Deserialize<Ping>(new byte[] { (byte)'"', 0xff, (byte)'"' }));
        Assert.Throws<MalformedMessageException>(() => serializer.Deserialize<Ping>(Encoding.UTF8.GetBytes(new string('[', 10_000))));
    }

    [Fact]
    public void The_discriminator_of_a_derived_type_need_not_come_first()
    {
        var shape = new JsonMessageSerializer().Deserialize<Shape>("""{"radius":2,"$type":"circle"}"""u8.ToArray());
        Assert.Equal(new Circle(2), shape);
    }

    [Fact]
    public void A_converter_may_serialize_another_message()
    {
        var output = new ArrayBufferWriter<byte>();
        new JsonMessageSerializer(new JsonSerializerOptions(JsonSerializerDefaults.Web) { Converters = { new Nested() } }).Serialize(output, new Pong(7));
        Assert.Equal("\"{\\u0022number\\u0022:1,\\u0022text\\u0022:\\u0022\\u0022}\"", Encoding.UTF8.GetString(output.WrittenSpan));
    }

    [JsonDerivedType(typeof(Circle), "circle")]
    private abstract record Shape;

    private sealed record Circle(int Radius) : Shape;

    private sealed class Nested : JsonConverter<Pong>
    {
        public override Pong Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => throw new NotSupportedException();

        public override void Write(Utf8JsonWriter writer, Pong value, JsonSerializerOptions options)
        {
            var inner = new ArrayBufferWriter<byte>();
            new JsonMessageSerializer().Serialize(inner, new Ping(1));
            writer.WriteStringValue(inner.WrittenSpan);
        }
    }
}
