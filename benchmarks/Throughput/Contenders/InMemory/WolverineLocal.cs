using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Postrider.Throughput.Work;
using Wolverine;

namespace Postrider.Throughput.Contenders.InMemory;

/// <summary>Wolverine's local queue. It hands the object over and does not serialize, which is less work than the others do.</summary>
public sealed class WolverineLocal(Job job) : Hosted(job)
{
    private Wolverine.IMessageBus _bus = null!;

    protected override bool IsOneHost => true;

    public override ValueTask PublishAsync(Order order, int queue) => _bus.PublishAsync(order, new DeliveryOptions
    {
        Headers = { ["correlation"] = Job.Correlation(order), ["traceparent"] = Job.TraceParent },
    });

    protected override void Configure(IHostApplicationBuilder builder, bool consume) => builder.UseWolverine(options =>
    {
        options.Discovery.DisableConventionalDiscovery().IncludeType<WolverineHandler>();
        options.PublishMessage<Order>().ToLocalQueue(Job.Queues[0]).MaximumParallelMessages(Job.Shape.Concurrency);
    });

    // Its bus is scoped, as what it sends belongs to what is being handled; one for the whole run is what a service that only sends has.
    protected override void Ready() => _bus = Publisher.CreateScope().ServiceProvider.GetRequiredService<Wolverine.IMessageBus>();
}

public sealed class WolverineHandler(Clerk clerk)
{
    public async Task Handle(Order order, Envelope envelope)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        await clerk.TakeAsync(
            order, new(envelope.Id.ToString(), envelope.MessageType, envelope.Headers["correlation"], envelope.Headers["traceparent"], envelope.SentAt));
    }
}
