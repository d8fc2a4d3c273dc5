using MassTransit;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Contenders.InMemory;

public sealed class MassTransitInMemory(Job job) : MassTransitBase(job)
{
    protected override bool IsOneHost => true;

    protected override void UseTransport(IBusRegistrationConfigurator configure, bool consume) => configure.UsingInMemory((context, bus) =>
        bus.ReceiveEndpoint(Job.Queues[0], endpoint => Endpoint(endpoint, context)));
}
