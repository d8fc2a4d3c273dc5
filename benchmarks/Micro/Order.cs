using System.Buffers;
using Postrider.Core.Transport;

namespace Postrider.Micro;

/// <summary>256 bytes of JSON.</summary>
[Message("bench.order")]
public sealed record Order(int Number, string Customer, string Product, int Quantity, decimal Price, string Note)
{
    public static readonly Order Sample = new(4711, "customer-00042", "PR-7700-postilion-saddle", 3, 149.90m, new string('x', 135));

    /// <summary>What comes with it, as a transport has read it.</summary>
    internal static Envelope Envelope(ReadOnlyMemory<byte> body) => new()
    {
        Id = "0193a1b2-0000-7000-8000-000000000001",
        Type = "bench.order",
        ContentType = "application/json",
        Body = body,
        SentAt = TimeProvider.System.GetUtcNow(),
        Topic = "bench.order",
        Source = "bench",
        CorrelationId = "0193a1b2-0000-7000-8000-000000000002",
        TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };

    public static byte[] Bytes()
    {
        var output = new ArrayBufferWriter<byte>();
        new JsonMessageSerializer().Serialize(output, Sample);
        return output.WrittenSpan.ToArray();
    }
}

/// <summary>Writes the same bytes whatever the message is, so that the framework's own part is left.</summary>
internal sealed class NoSerializer : IMessageSerializer
{
    private readonly byte[] _bytes = Order.Bytes();

    public string ContentType => "application/json";

    public void Serialize<TMessage>(IBufferWriter<byte> output, TMessage message)
        where TMessage : notnull => output.Write(_bytes);

    public TMessage Deserialize<TMessage>(ReadOnlyMemory<byte> body)
        where TMessage : notnull => (TMessage)(object)Order.Sample;
}
