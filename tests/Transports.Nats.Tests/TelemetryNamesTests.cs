using Postrider.Core.Transport;

namespace Postrider.Transports.Nats.Tests;

/// <summary>Telemetry names the first server; the conventions know no other names for NATS, so topics and queues keep theirs.</summary>
public sealed class TelemetryNamesTests
{
    [Theory]
    [InlineData("nats://user:secret@a.test:4333,nats://b.test", "a.test", 4333)]
    [InlineData("tls://a.test", "a.test", 4222)]
    public async Task The_first_server_is_named(string connectionString, string host, int port)
    {
        await using var transport = new NatsTransport(new() { ConnectionString = connectionString });
        var names = (ITelemetryNames)transport;

        Assert.Equal((host, port), (names.Server?.Host, names.Server?.Port));
        Assert.Equal(new("orders.placed"), names.Describe(Destination.Topic("orders.placed")));
    }
}
