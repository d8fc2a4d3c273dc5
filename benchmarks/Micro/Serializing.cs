using BenchmarkDotNet.Attributes;
using Postrider.Core.Serialization;

namespace Postrider.Micro;

/// <summary>An order of 256 bytes to JSON and back.</summary>
public class Serializing
{
    private readonly JsonMessageSerializer _serializer = new();
    private readonly PooledBufferWriter _output = new(1 << 20);
    private readonly byte[] _bytes = Order.Bytes();

    [Benchmark]
    public int Serialize()
    {
        _output.Reset();
        _serializer.Serialize(_output, Order.Sample);
        return _output.Written.Length;
    }

    [Benchmark]
    public Order Deserialize() => _serializer.Deserialize<Order>(_bytes);
}
