using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>Telemetry names the server; the conventions know no other names for PGMQ, so topics and queues keep theirs.</summary>
public sealed class TelemetryNamesTests
{
    [Fact]
    public async Task The_server_is_named()
    {
        await using var transport = new PgmqTransport(new() { ConnectionString = "Host=a.test;Port=5544;Username=u;Password=secret;Database=d" });
        var names = (ITelemetryNames)transport;

        Assert.Equal(("a.test", 5544), (names.Server?.Host, names.Server?.Port));
        Assert.Equal(new("orders.placed"), names.Describe(Destination.Topic("orders.placed")));
    }
}
