using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Postrider.Brokers;
using Postrider.Transports.Nats.Tests.Conformance;

namespace Postrider.Transports.Nats.Tests;

[Collection("Scenarios that kill a broker")]
public sealed class HealthTests
{
    [Fact]
    public async Task An_idle_consumer_is_unhealthy_while_the_server_is_dead_and_healthy_again_after()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        await using var server = await PrivateBroker.StartNewAsync("nats", NatsFixture.Connect, Server.Deadline);
        var services = new ServiceCollection();
        services.AddMessaging().UseNats(server.ConnectionString).AddConsumer<Numbered>("idle", (_, _, _) => new(Outcome.Ack));
        await using var provider = services.BuildServiceProvider();
        var host = provider.GetServices<IHostedService>().Single();
        var status = provider.GetRequiredService<MessagingStatus>();

        await host.StartAsync(CancellationToken.None);
        await IsAsync(() => status is { IsHealthy: true, Error: null });
        await server.KillAsync(Server.Deadline);
        await IsAsync(() => status is { IsHealthy: false, Error.IsTransient: true });
        await server.StartAsync(Server.Deadline);
        await IsAsync(() => status is { IsHealthy: true, Error: null });
        await host.StopAsync(CancellationToken.None);
    }

    private static async Task IsAsync(Func<bool> condition)
    {
        var deadline = Server.Deadline;
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (!condition())
        {
            await look.WaitForNextTickAsync(deadline);
        }
    }

    private sealed record Numbered(int Number);
}
