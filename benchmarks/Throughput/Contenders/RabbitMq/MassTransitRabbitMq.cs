using MassTransit;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Contenders.RabbitMq;

public sealed class MassTransitRabbitMq(Job job) : MassTransitBase(job)
{
    protected override void UseTransport(IBusRegistrationConfigurator configure, bool consume) => configure.UsingRabbitMq((context, bus) =>
    {
        bus.Host(new Uri(Job.ConnectionString));
        if (consume)
        {
            bus.ReceiveEndpoint(Job.Queues[0], endpoint =>
            {
                endpoint.SetQuorumQueue();
                Endpoint(endpoint, context);
            });
        }
    });
}
