using Postrider.Brokers;
using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>A broker that is killed within seconds of making its first stream keeps that stream's name and loses the stream.</summary>
public sealed class FirstStreamTests
{
    private static CancellationToken Deadline => new CancellationTokenSource(TimeSpan.FromMinutes(3)).Token;

    [Fact]
    public async Task Bindings_that_were_just_noted_on_a_new_broker_survive_its_kill()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        await using var broker = await PrivateBroker.StartNewAsync("rabbitmq", Server.Transport, cancellationToken: TestContext.Current.CancellationToken);
        await using var consumer = Server.Transport(broker.ConnectionString);
        await using var publisher = Server.Transport(broker.ConnectionString);
        var topology = new Topology(["orders"], [new("orders.#", "orders")]);
        await consumer.DeclareAsync(topology, Deadline);
        await broker.KillAsync(TestContext.Current.CancellationToken);
        await broker.StartAsync(TestContext.Current.CancellationToken);

        await UntilItWorksAsync(async () => await consumer.DeclareAsync(topology, Deadline));
        var results = new PublishResult[1];
        var message = new OutgoingMessage(Destination.Topic("orders.placed"), new() { Id = "1" }, TimeSpan.FromMilliseconds(1));
        await UntilItWorksAsync(async () =>
        {
            await publisher.PublishAsync(new[] { message }, results, Deadline);
            if (results[0].Error is { } error)
            {
                throw error;
            }
        });
        Assert.Equal(PublishStatus.Stored, results[0].Status);
    }

    /// <summary>The Core tries again what is transient; here it is this.</summary>
    private static async Task UntilItWorksAsync(Func<Task> action)
    {
        var deadline = Deadline;
        while (true)
        {
            try
            {
                await action();
                return;
            }
            catch (TransportException e) when (e.IsTransient)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, deadline);
            }
        }
    }
}
