using System.Text;
using BenchmarkDotNet.Attributes;
using NATS.Client.Core;
using Postrider.Core.Transport;
using RabbitMQ.Client;
using Nats = Postrider.Transports.Nats;
using Pgmq = Postrider.Transports.Pgmq;
using RabbitMq = Postrider.Transports.RabbitMq;

namespace Postrider.Micro;

/// <summary>Envelope → what the broker's client takes, and back. PGMQ's and NATS' reading starts from bytes, RabbitMQ's from what the client has read.</summary>
public class Mapping
{
    private readonly byte[] _body = Order.Bytes();
    private readonly RabbitMq.EnvelopeMapper _rabbitMapper = new(cloudEvents: false);
    private readonly Nats.EnvelopeReader _natsReader = new();
    private readonly Pgmq.EnvelopeReader _pgmqReader = new("bench");
    private readonly NatsHeaders _natsHeaders = [];
    private readonly Nats.Position _position = new("bench", 1, 1, 0);
    private Envelope _envelope = null!;
    private byte[] _pgmqHeaders = [];
    private byte[] _natsBytes = [];
    private BasicProperties _properties = null!;

    [GlobalSetup]
    public void Prepare()
    {
        _envelope = Order.Envelope(_body);
        _pgmqHeaders = Pgmq.EnvelopeMapper.Write(_envelope).Headers;
        NatsWrite();
        _natsBytes = Encoding.UTF8.GetBytes($"NATS/1.0\r\n{string.Concat(_natsHeaders.Select(static header => $"{header.Key}: {header.Value}\r\n"))}\r\n");
        var written = new RabbitMq.EnvelopeMapper(cloudEvents: false).Write(new(RabbitMq.RabbitMqTopology.Topics, "bench.order", _envelope, 0), RabbitMq.RabbitMqTopology.Topics);
        _properties = new(written)
        {
            // As they come from the wire.
            Headers = written.Headers!.ToDictionary(static pair => pair.Key, static pair => pair.Value is string text ? Encoding.UTF8.GetBytes(text) : pair.Value),
        };
    }

    [Benchmark]
    public object PgmqWrite() => Pgmq.EnvelopeMapper.Write(_envelope).Headers;

    [Benchmark]
    public object PgmqRead() => _pgmqReader.Read(1, _body, _pgmqHeaders, out _, out _);

    [Benchmark]
    public object RabbitMqWrite() =>
        _rabbitMapper.Write(new(RabbitMq.RabbitMqTopology.Topics, "bench.order", _envelope, 0), RabbitMq.RabbitMqTopology.Topics);

    [Benchmark]
    public object RabbitMqRead() => RabbitMq.EnvelopeReader.Read(RabbitMq.RabbitMqTopology.Topics, "bench.order", _properties, _body, out _);

    [Benchmark]
    public void NatsWrite()
    {
        _natsHeaders.Clear();
        Nats.EnvelopeMapper.Write(_natsHeaders, _envelope, _envelope.Id, onTopic: true);
    }

    [Benchmark]
    public object NatsRead() => _natsReader.Read(_natsBytes, _body, "bench.order", _position).Envelope;
}
