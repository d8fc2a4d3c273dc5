using Postrider.Throughput.Work;
using Rebus.Config;
using Rebus.Transport;

namespace Postrider.Throughput.Contenders.Pgmq;

/// <summary>Rebus' own tables on the same PostgreSQL.</summary>
public sealed class RebusPostgres(Job job) : RebusBase(job)
{
    protected override void UseTransport(StandardConfigurer<ITransport> transport, bool consume)
    {
        var table = Job.Queues[0].Replace('-', '_');
        if (consume)
        {
            transport.UsePostgreSql(Job.ConnectionString, table, Job.Queues[0]);
        }
        else
        {
            transport.UsePostgreSqlAsOneWayClient(Job.ConnectionString, table);
        }
    }
}
