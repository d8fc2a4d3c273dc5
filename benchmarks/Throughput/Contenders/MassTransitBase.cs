using System.Runtime.CompilerServices;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Contenders;

/// <summary>MassTransit 8.5, the last version under a free licence.</summary>
public abstract class MassTransitBase(Job job) : Hosted(job)
{
    private const string TraceParent = "traceparent";
    private IBus _bus = null!;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public override async ValueTask PublishAsync(Order order, int queue) => await _bus.Publish(order, static context =>
    {
        context.CorrelationId = Guid.Parse(Job.Correlation(context.Message));
        context.Headers.Set(TraceParent, Job.TraceParent);
    });

    protected override void Configure(IHostApplicationBuilder builder, bool consume)
    {
        builder.Services.AddMassTransit(configure =>
        {
            configure.AddConsumer<Consumer>();
            UseTransport(configure, consume);
        });
        // Else the host would be there before the bus is.
        builder.Services.Configure<MassTransitHostOptions>(options => options.WaitUntilStarted = true);
    }

    protected abstract void UseTransport(IBusRegistrationConfigurator configure, bool consume);

    protected void Endpoint(IReceiveEndpointConfigurator endpoint, IBusRegistrationContext context)
    {
        endpoint.ConcurrentMessageLimit = Job.Shape.Concurrency;
        endpoint.PrefetchCount = Math.Max(500, Job.Shape.Concurrency);
        endpoint.ConfigureConsumer<Consumer>(context);
    }

    protected override void Ready() => _bus = Publisher.GetRequiredService<IBus>();

    public sealed class Consumer(Clerk clerk) : MassTransit.IConsumer<Order>
    {
        public async Task Consume(MassTransit.ConsumeContext<Order> context) => await clerk.TakeAsync(
            context.Message,
            new(
                context.MessageId.ToString(), context.SupportedMessageTypes.FirstOrDefault(), context.CorrelationId.ToString(),
                context.Headers.Get<string>(TraceParent), context.SentTime));
    }
}
