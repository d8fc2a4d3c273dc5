using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Postrider.Core.InMemory;

namespace Postrider.Testing.Tests;

/// <summary>What the status says while the broker is away, and after.</summary>
public sealed class StatusTests
{
    [Fact]
    public async Task It_is_not_healthy_while_a_consumer_cannot_receive_and_healthy_again_after()
    {
        var outage = new Outage();
        var services = new ServiceCollection();
        services.AddMessaging()
            .UseTransport("inmemory", _ => outage.Wrap(new InMemoryTransport(new InMemoryBroker())))
            .AddConsumer<Ping>("watched", (_, _, _) => new(Outcome.Ack));
        await using var provider = services.BuildServiceProvider();
        var host = provider.GetServices<IHostedService>().Single();
        var status = provider.GetRequiredService<MessagingStatus>();
        Assert.False(status.IsHealthy);

        await host.StartAsync(CancellationToken.None);
        await IsAsync(() => status is { IsHealthy: true, Error: null });
        outage.Begin();
        await IsAsync(() => status is { IsHealthy: false, Error.IsTransient: true } && status.Queues["watched"] == QueueState.Reconnecting);
        outage.End();
        await IsAsync(() => status is { IsHealthy: true, Error: null });
        await host.StopAsync(CancellationToken.None);
        Assert.Equal(QueueState.Stopped, status.Queues["watched"]);
        Assert.False(status.IsHealthy);
    }

    private static async Task IsAsync(Func<bool> condition)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (!condition())
        {
            await look.WaitForNextTickAsync(deadline.Token);
        }
    }

    private sealed record Ping;
}
