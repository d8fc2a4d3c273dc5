using Postrider.Brokers;

namespace Postrider.HealthChecks.Tests;

/// <summary>A real broker is killed and comes back: who consumes and who only publishes see it, and both stay alive.</summary>
public abstract class BrokerTests(string kind, Action<MessagingBuilder, string> use)
{
    [Fact]
    public async Task A_killed_broker_is_seen_and_so_is_its_return()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        await using var broker = await PrivateBroker.StartNewAsync(kind, static _ => throw new NotSupportedException());
        await using var consumer = await App.StartAsync(messaging =>
        {
            use(messaging, broker.ConnectionString);
            messaging.AddConsumer<Order>("billing", static (_, _, _) => new(Outcome.Ack));
        });
        await using var publisher = await App.StartAsync(messaging => use(messaging, broker.ConnectionString));
        await BecomeAsync("Healthy");

        await broker.KillAsync(default);
        await BecomeAsync("Degraded");
        Assert.Contains("The queue 'billing' is ", (await consumer.GetAsync("ready")).Text, StringComparison.Ordinal);

        await broker.StartAsync();
        await BecomeAsync("Healthy");

        async Task BecomeAsync(string status)
        {
            foreach (var app in (App[])[consumer, publisher])
            {
                while (await app.GetAsync("ready") is var now && now.Status != status)
                {
                    Assert.Equal("Healthy", (await app.GetAsync("live")).Status);
                    await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, TestContext.Current.CancellationToken);
                }
            }
        }
    }
}

public sealed class RabbitMqTests() : BrokerTests("rabbitmq", static (messaging, server) => messaging.UseRabbitMq(server));

public sealed class NatsTests() : BrokerTests("nats", static (messaging, server) => messaging.UseNats(server));

public sealed class PgmqTests() : BrokerTests("postgres", static (messaging, server) => messaging.UsePgmq(server));
