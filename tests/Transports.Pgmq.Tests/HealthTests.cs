using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Postrider.Brokers;
using Postrider.Transports.Pgmq.Tests.Conformance;

namespace Postrider.Transports.Pgmq.Tests;

[Collection("Scenarios that kill a broker")]
public sealed class HealthTests
{
    [Fact]
    public async Task An_idle_consumer_is_unhealthy_while_the_server_is_dead_and_healthy_again_after()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        await using var server = await PrivateBroker.StartNewAsync("postgres", PgmqFixture.Connect, Database.Deadline);
        var services = new ServiceCollection();
        services.AddMessaging().UsePgmq(server.ConnectionString).AddConsumer<Numbered>("idle", (_, _, _) => new(Outcome.Ack));
        await using var provider = services.BuildServiceProvider();
        var host = provider.GetServices<IHostedService>().Single();
        var status = provider.GetRequiredService<MessagingStatus>();

        await host.StartAsync(CancellationToken.None);
        await IsAsync(() => status is { IsHealthy: true, Error: null });
        await server.KillAsync(Database.Deadline);
        await IsAsync(() => status is { IsHealthy: false, Error.IsTransient: true });
        await server.StartAsync(Database.Deadline);
        await IsAsync(() => status is { IsHealthy: true, Error: null });
        await host.StopAsync(CancellationToken.None);
    }

    private static async Task IsAsync(Func<bool> condition)
    {
        var deadline = Database.Deadline;
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (!condition())
        {
            await look.WaitForNextTickAsync(deadline);
        }
    }

    private sealed record Numbered(int Number);
}
