using Postrider.Throughput.Work;
using Rebus.Config;
using Rebus.Transport;
using Rebus.Transport.InMem;

namespace Postrider.Throughput.Contenders.InMemory;

public sealed class RebusInMemory(Job job) : RebusBase(job)
{
    private readonly InMemNetwork _network = new();

    protected override bool IsOneHost => true;

    protected override void UseTransport(StandardConfigurer<ITransport> transport, bool consume) => transport.UseInMemoryTransport(_network, Job.Queues[0]);
}
