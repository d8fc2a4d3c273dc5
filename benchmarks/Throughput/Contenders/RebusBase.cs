using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Postrider.Throughput.Work;
using Rebus.Backoff;
using Rebus.Bus;
using Rebus.Config;
using Rebus.Handlers;
using Rebus.Messages;
using Rebus.Pipeline;
using Rebus.Serialization.Json;
using Rebus.Transport;

namespace Postrider.Throughput.Contenders;

/// <summary>Rebus, with the back-off that it needs to be quick: at its defaults it sleeps up to 250 ms when a queue was empty.</summary>
public abstract class RebusBase(Job job) : Hosted(job)
{
    private const string TraceParent = "traceparent";
    private IBus _bus = null!;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public override async ValueTask PublishAsync(Order order, int queue) => await _bus.Advanced.Routing.Send(
        Job.Queues[queue], order,
        new Dictionary<string, string> { [Headers.CorrelationId] = Job.Correlation(order), [TraceParent] = Job.TraceParent });

    protected override void Configure(IHostApplicationBuilder builder, bool consume)
    {
        builder.Services.AddRebus(configure => configure
            .Transport(transport => UseTransport(transport, consume))
            .Serialization(serialization => serialization.UseSystemTextJson(Order.Json))
            .Options(options =>
            {
                options.SetNumberOfWorkers(consume ? Math.Min(2, Job.Shape.Concurrency) : 0);
                options.SetMaxParallelism(Job.Shape.Concurrency);
                options.SetBackoffTimes(TimeSpan.FromMilliseconds(1));
            }));
        if (consume)
        {
            builder.Services.AddRebusHandler<Handler>();
        }
    }

    protected abstract void UseTransport(StandardConfigurer<ITransport> transport, bool consume);

    protected override void Ready() => _bus = Publisher.GetRequiredService<IBus>();

    public sealed class Handler(Clerk clerk, IMessageContext context) : IHandleMessages<Order>
    {
        public async Task Handle(Order message)
        {
            var headers = context.Headers;
            await clerk.TakeAsync(
                message,
                new(
                    headers[Headers.MessageId], headers[Headers.Type], headers[Headers.CorrelationId], headers[TraceParent],
                    DateTimeOffset.Parse(headers[Headers.SentTime], System.Globalization.CultureInfo.InvariantCulture)));
        }
    }
}
