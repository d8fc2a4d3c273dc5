using System.Globalization;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using NATS.Client.Core;
using NATS.Client.JetStream;
using NATS.Client.JetStream.Models;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Contenders.Nats;

/// <summary>The JetStream client: file streams for work, <c>PublishAsync</c>, consuming by enumeration with workers that ack each message.</summary>
public class NatsRaw : Contender
{
    private const int Window = 1000;
    private const string MessageId = "Nats-Msg-Id";
    private readonly HandWork _work;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _consuming = [];
    private readonly NatsConnection _consumer;

    public NatsRaw(Job job)
        : base(job)
    {
        _work = new(Job);
        var options = Options(Job);
        Connection = new(options);
        _consumer = new(options);
        JetStream = new(Connection);
    }

    protected NatsConnection Connection { get; }

    private NatsJSContext JetStream { get; }

    /// <summary>
    /// Takes Postrider's queues from its stream of topics. A server 2.9 looks through all of its consumers for each message, so those of earlier
    /// scenarios would slow down the later ones; the others have a stream for each scenario.
    /// </summary>
    public static async Task ForgetTopicsAsync(Job job)
    {
        ArgumentNullException.ThrowIfNull(job);
        await using var connection = new NatsConnection(Options(job));
        var context = new NatsJSContext(connection);
        foreach (var queue in job.Queues)
        {
            await context.DeleteConsumerAsync("postrider_topics", queue);
        }
    }

    public override async ValueTask PrepareAsync()
    {
        foreach (var queue in Job.Queues)
        {
            await JetStream.CreateStreamAsync(new(queue, [queue]) { Retention = StreamConfigRetention.Workqueue, Storage = StreamConfigStorage.File });
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public override async ValueTask PublishAsync(Order order, int queue)
    {
        var ack = await JetStream.PublishAsync(Job.Queues[queue], HandWork.Serialize(order), headers: Headers(order));
        ack.EnsureSuccess();
    }

    public override async ValueTask ConsumeAsync()
    {
        var context = new NatsJSContext(_consumer);
        foreach (var queue in Job.Queues)
        {
            var consumer = await context.CreateOrUpdateConsumerAsync(queue, new("bench") { AckPolicy = ConsumerConfigAckPolicy.Explicit });
            var work = Channel.CreateBounded<INatsJSMsg<byte[]>>(new BoundedChannelOptions(Window) { SingleWriter = true });
            _consuming.Add(Task.Run(() => ReadAsync(consumer, work.Writer)));
            for (var i = 0; i < Job.Shape.Concurrency; i++)
            {
                _consuming.Add(Task.Run(() => WorkAsync(work.Reader)));
            }
        }
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _stop.CancelAsync();
        await Task.WhenAll(_consuming);
        await Connection.DisposeAsync();
        await _consumer.DisposeAsync();
        await _work.DisposeAsync();
        _stop.Dispose();
    }

    protected static NatsHeaders Headers(Order order) => new()
    {
        [MessageId] = Job.NewId(),
        ["type"] = Order.TypeName,
        ["correlation"] = Job.Correlation(order),
        ["traceparent"] = Job.TraceParent,
        ["sent"] = TimeProvider.System.GetUtcNow().ToString("O", CultureInfo.InvariantCulture),
    };

    private static NatsOpts Options(Job job)
    {
        var address = new Uri(job.ConnectionString);
        var user = address.UserInfo.Split(':');
        return NatsOpts.Default with
        {
            Url = $"nats://{address.Authority}",
            AuthOpts = new() { Username = Uri.UnescapeDataString(user[0]), Password = Uri.UnescapeDataString(user[^1]) },
        };
    }

    private async Task ReadAsync(INatsJSConsumer consumer, ChannelWriter<INatsJSMsg<byte[]>> work)
    {
        try
        {
            await foreach (var message in consumer.ConsumeAsync<byte[]>(opts: new() { MaxMsgs = Window }, cancellationToken: _stop.Token))
            {
                await work.WriteAsync(message);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }

        work.Complete();
    }

    private async Task WorkAsync(ChannelReader<INatsJSMsg<byte[]>> work)
    {
        await foreach (var message in work.ReadAllAsync())
        {
            var headers = message.Headers!;
            await _work.HandleAsync(message.Data, new(
                headers[MessageId], headers["type"], headers["correlation"], headers["traceparent"],
                DateTimeOffset.Parse(headers["sent"]!, CultureInfo.InvariantCulture)));
            await message.AckAsync();
        }
    }
}
