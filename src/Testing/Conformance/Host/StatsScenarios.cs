using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>What a host counts of what it publishes and handles.</summary>
public abstract class StatsScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    private const int Fine = 100;
    private const int FailsOnce = Fine + 1, FailsAlways = Fine + 2, Rejected = Fine + 3;

    [Scenario(Fault.DropsMessages, Fault.DropsRetries, Fault.LosesAttempt)]
    public async Task What_was_published_and_what_became_of_it_is_counted()
    {
        var queue = NewName();
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            static (job, context, _) => job.Number switch
            {
                FailsOnce when context.Attempt == 1 => throw new InvalidOperationException("not yet"),
                FailsAlways => throw new InvalidOperationException("never"),
                Rejected => new(Outcome.DeadLetter("not this one")),
                _ => new(Outcome.Ack),
            },
            With(AtOnce)));

        await Task.WhenAll(Enumerable.Range(1, Rejected).Select(number => host.Bus.SendAsync(queue, new Job(number)).AsTask()));
        const int runs = Rejected + 1 + 2;
        await UntilAsync(() => host.Stats.GetOwn().Handled.Counts is { Handled: >= runs, InFlight: 0 });
        await host.StopAsync();

        var own = host.Stats.GetOwn();
        var handled = own.ByQueue()[queue];
        Assert.Equal((Rejected, 0, 0), (own.Published.Stored, own.Published.Duplicate, own.Published.Failed));
        Assert.Equal((Fine + 1, 0, 3), (handled.Counts.Acked, handled.Counts.RetriedByChoice, handled.Counts.RetriedByException));
        Assert.Equal((1, 1, 4), (handled.Counts.DeadLetteredByChoice, handled.Counts.DeadLetteredByException, handled.Counts.Failed));
        Assert.Equal((runs, 0), (handled.Counts.Handled, handled.Counts.InFlight));
        Assert.Equal((runs, Rejected), (handled.Handling.Count, handled.Waiting.Count));
        Assert.Equal("conformance.job", Assert.Single(own.ByType()).Key);
    }
}
