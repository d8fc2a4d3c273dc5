using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Tests of applications: what <see cref="MessagingTestHost"/> says of a run is so on this transport, too.</summary>
public abstract class TestHostScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    [Scenario(Fault.DropsRetries, Fault.DropsDeadLetters, Fault.DropsDelayed)]
    public async Task A_test_host_awaits_all_that_a_publish_causes()
    {
        var (topic, failing, next, last) = (NewName(), NewName(), NewName(), NewName());
        await using var host = await StartTestHostAsync(messaging => messaging
            .AddConsumer<Job>(
                failing,
                static (_, _, _) => throw new InvalidOperationException("no"),
                options => options with
                {
                    Topics = [topic],
                    Retry = RetryPolicy.Fixed(Fixture.Delay) with { MaxAttempts = 2 },
                    OnFailed = (failed, cancellationToken) => SendAsync(failed.Services, last, new Job(3), new(), cancellationToken),
                })
            .AddConsumer<Job>(
                next,
                (_, context, cancellationToken) => SendAndAckAsync(context.Services, last, new Job(2), new() { Delay = Fixture.Delay }, cancellationToken),
                On(topic))
            .AddConsumer<Job>(last, static (_, _, _) => new(Outcome.Ack), On(NewName())));

        await host.PublishAndSettleAsync(new Job(1), new() { Topic = topic });

        Assert.Equal([next, last, last], host.Handled<Job>().Times(3).OrderBy(static one => one.Message.Number).Select(static one => one.Queue));
        host.Published<Job>().Times(3);
        Assert.Equal(Fixture.Delay, host.Retried<Job>().Once().Delay);
        var dead = host.DeadLettered<Job>().Once();
        Assert.Equal((failing, 2, DeadLetterReason.Exhausted), (dead.Queue, dead.Attempt, dead.DeadLetter!.Reason));
        Assert.Equal(1, await host.DeadLetters.CountAsync(failing));
        Assert.True(host.Ledger.Check().IsClean, host.Ledger.Check().ToString());
    }

    [Scenario(Fault.DropsMessages, Fault.LosesReleases)]
    public async Task Chaos_in_a_test_host_loses_nothing()
    {
        const int Jobs = 30;
        var queue = NewName();
        await using var host = await StartTestHostAsync(
            messaging => messaging.AddConsumer<Job>(queue, static (_, _, _) => new(Outcome.Ack)),
            new() { Duplicates = 0.5, DroppedAcks = 0.3, Reorders = 0.3 });

        for (var i = 0; i < Jobs; i++)
        {
            await host.Bus.SendAsync(queue, new Job(i), cancellationToken: Deadline);
        }

        await host.SettleAsync(Deadline);

        Assert.Equal(Enumerable.Range(0, Jobs), host.Handled<Job>().AtLeast(Jobs).Select(static one => one.Message.Number).Distinct().Order());
        Assert.Contains(host.Handled<Job>(), static one => one.Redeliveries > 0);
        Assert.Equal(0, host.Ledger.Check().Lost.Count);
    }

    private static async ValueTask SendAsync(IServiceProvider services, string queue, Job job, PublishOptions options, CancellationToken cancellationToken) =>
        await services.GetRequiredService<IMessageBus>().SendAsync(queue, job, options, cancellationToken);

    private static async ValueTask<Outcome> SendAndAckAsync(
        IServiceProvider services, string queue, Job job, PublishOptions options, CancellationToken cancellationToken)
    {
        await SendAsync(services, queue, job, options, cancellationToken);
        return Outcome.Ack;
    }

    private async Task<MessagingTestHost> StartTestHostAsync(Action<MessagingBuilder> register, ChaosOptions? chaos = null)
    {
        var transport = await ConnectAsync();
        return await MessagingTestHost.StartAsync(
            services => register(services.AddMessaging()
                .UseTransport("conformance", _ => transport)
                .UseSerializer(new JsonMessageSerializer(ScenarioJson.Default.Options))),
            new() { KeepTransport = true, Patience = Fixture.Patience, Chaos = chaos },
            Deadline);
    }
}
