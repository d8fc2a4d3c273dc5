using System.Globalization;
using System.Text;
using Postrider.Throughput.Work;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Postrider.Throughput.Contenders.RabbitMq;

/// <summary>RabbitMQ.Client with its own confirm tracking and no rate limiter, quorum queues, an ack each.</summary>
public class RabbitMqRaw : Contender
{
    protected const string Exchange = "bench";
    private const string TraceParent = "traceparent";
    private const ushort Prefetch = 500;

    private readonly HandWork _work;
    private readonly ConnectionFactory _factory;
    private readonly List<IChannel> _consuming = [];
    private IConnection? _publisher;
    private IConnection? _consumer;

    public RabbitMqRaw(Job job)
        : base(job)
    {
        _work = new(Job);
        _factory = new() { Uri = new(Job.ConnectionString) };
    }

    protected IChannel Channel { get; private set; } = null!;

    /// <summary>How the channel that publishes is made.</summary>
    protected virtual CreateChannelOptions Options => new(true, true, outstandingPublisherConfirmationsRateLimiter: null);

    public override async ValueTask PrepareAsync()
    {
        _publisher = await _factory.CreateConnectionAsync();
        Channel = await _publisher.CreateChannelAsync(Options);
        await Channel.ExchangeDeclareAsync(Exchange, ExchangeType.Topic, durable: true);
        foreach (var queue in Job.Queues)
        {
            await Channel.QueueDeclareAsync(
                queue, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" });
            await Channel.QueueBindAsync(queue, Exchange, queue);
        }
    }

    public override ValueTask PublishAsync(Order order, int queue) =>
        Channel.BasicPublishAsync(Exchange, Job.Queues[queue], mandatory: true, Properties(order), HandWork.Serialize(order));

    public override async ValueTask ConsumeAsync()
    {
        _consumer = await _factory.CreateConnectionAsync();
        foreach (var queue in Job.Queues)
        {
            var channel = await _consumer.CreateChannelAsync(new(false, false, consumerDispatchConcurrency: (ushort)Job.Shape.Concurrency));
            _consuming.Add(channel);
            await channel.BasicQosAsync(0, Prefetch, global: false);
            var consumer = new AsyncEventingBasicConsumer(channel);
            consumer.ReceivedAsync += async (_, delivery) =>
            {
                await _work.HandleAsync(delivery.Body, Read(delivery.BasicProperties));
                await channel.BasicAckAsync(delivery.DeliveryTag, multiple: false);
            };
            await channel.BasicConsumeAsync(queue, autoAck: false, consumer);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        foreach (var channel in _consuming)
        {
            await channel.CloseAsync();
        }

        if (_publisher is not null)
        {
            await _publisher.DisposeAsync();
        }

        if (_consumer is not null)
        {
            await _consumer.DisposeAsync();
        }

        await _work.DisposeAsync();
    }

    protected static BasicProperties Properties(Order order) => new()
    {
        Persistent = true,
        ContentType = "application/json",
        MessageId = Job.NewId(),
        Type = Order.TypeName,
        CorrelationId = Job.Correlation(order),
        Headers = new Dictionary<string, object?>
        {
            [TraceParent] = Job.TraceParent,
            ["sent"] = TimeProvider.System.GetUtcNow().ToString("O", CultureInfo.InvariantCulture), // AMQP's own timestamp has seconds only
        },
    };

    private static Received Read(IReadOnlyBasicProperties properties) => new(
        properties.MessageId, properties.Type, properties.CorrelationId, Header(properties, TraceParent),
        DateTimeOffset.Parse(Header(properties, "sent"), CultureInfo.InvariantCulture));

    private static string Header(IReadOnlyBasicProperties properties, string name) => Encoding.UTF8.GetString((byte[])properties.Headers![name]!);
}
