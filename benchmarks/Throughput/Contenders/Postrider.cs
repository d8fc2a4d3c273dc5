using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Postrider.Core.InMemory;
using Postrider.Core.Transport;
using Postrider.Throughput.Contenders.Nats;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Contenders;

/// <summary>Postrider, with whatever transport is chosen. A topic for each queue.</summary>
public sealed class Postrider : Hosted
{
    private static readonly TimeSpan Never = TimeSpan.FromHours(10);
    private readonly Action<MessagingBuilder> _use;
    private readonly Func<Job, Task>? _cleanUp;
    private readonly string[] _topics;
    private IMessageBus _bus = null!;

    private Postrider(Job job, Action<MessagingBuilder> use, Func<Job, Task>? cleanUp = null)
        : base(job) => (_use, _cleanUp, _topics) = (use, cleanUp, [.. Job.Queues.Select(queue => $"{queue}.orders")]);

    public static Postrider InMemory(Job job)
    {
        var broker = new InMemoryBroker();
        return new(job, messaging => messaging.UseInMemory(broker));
    }

    public static Postrider Pgmq(Job job) => new(job, messaging => messaging.UsePgmq(job.ConnectionString));

    public static Postrider RabbitMq(Job job) => new(job, messaging => messaging.UseRabbitMq(job.ConnectionString));

    public static Postrider Nats(Job job) => new(job, messaging => messaging.UseNats(job.ConnectionString), NatsRaw.ForgetTopicsAsync);

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (_cleanUp is not null)
        {
            await _cleanUp(Job);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public override async ValueTask PublishAsync(Order order, int queue) =>
        await _bus.PublishAsync(order, new PublishOptions { Topic = _topics[queue], CorrelationId = Job.Correlation(order) });

    public override Task PublishDelayedAsync(int count) => Parallel.ForAsync(
        0, count, new ParallelOptions { MaxDegreeOfParallelism = 1000 },
        async (i, _) => await _bus.PublishAsync(Order.Create(i, Job.Note), new PublishOptions { Topic = _topics[0], Delay = Never }, CancellationToken.None));

    protected override void Configure(IHostApplicationBuilder builder, bool consume)
    {
        var messaging = builder.Services.AddMessaging();
        _use(messaging);
        for (var i = 0; consume && i < Job.Shape.Middlewares; i++)
        {
            messaging.UseConsume(static next => async context => await next(context));
        }

        for (var i = 0; consume && i < Job.Queues.Count; i++)
        {
            var (queue, topic) = (Job.Queues[i], _topics[i]);
            messaging.AddConsumer<OrderConsumer, Order>(options => options with
            {
                Queue = queue,
                Topics = [topic],
                Concurrency = Job.Shape.Concurrency,
            });
        }
    }

    protected override async Task DeclareAsync()
    {
        var services = new ServiceCollection();
        _use(services.AddMessaging());
        await using var provider = services.BuildServiceProvider();
        var bindings = Job.Queues.Zip(_topics, static (queue, topic) => new Binding(topic, queue));
        await provider.GetRequiredService<ITransport>().DeclareAsync(new Topology(Job.Queues, [.. bindings]), CancellationToken.None);
    }

    protected override void Ready() => _bus = Publisher.GetRequiredService<IMessageBus>();

    protected override Task StartedAsync(IServiceProvider services) => services.GetRequiredService<MessagingStatus>().Ready;

    private sealed class OrderConsumer(Clerk clerk) : IConsumer<Order>
    {
        public async ValueTask<Outcome> ConsumeAsync(Order message, ConsumeContext context, CancellationToken cancellationToken)
        {
            var envelope = context.Envelope;
            await clerk.TakeAsync(message, new(envelope.Id, envelope.Type, envelope.CorrelationId, envelope.TraceParent, envelope.SentAt));
            return Outcome.Ack;
        }
    }
}
