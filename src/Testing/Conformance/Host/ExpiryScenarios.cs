using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Time to live: no handler gets a message whose time is over, whatever kept it so long.</summary>
public abstract class ExpiryScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    [Scenario(Fault.ForgetsExpiry)]
    public async Task What_waited_too_long_is_a_dead_letter_and_reaches_no_handler()
    {
        var (queue, handled) = (NewName(), new Happenings<int>(Time, Fixture.Patience));
        var publisher = await StartHostAsync(static _ => { });
        await DeclareAsync(await ConnectAsync(), queue);
        await publisher.Bus.SendAsync(queue, new Job(1), new() { TimeToLive = Fixture.Quiet, Key = "k" });
        await publisher.Bus.SendAsync(queue, new Job(2), new() { TimeToLive = TimeSpan.FromHours(1) });
        await publisher.Bus.SendAsync(queue, new Job(3));
        await Task.Delay(Fixture.Quiet * 1.5, Time, Deadline);

        await StartHostAsync(messaging => Handle(messaging, queue, handled));

        Assert.Equal([2, 3], (await handled.ReachAsync(2)).Order());
        var dead = await DeadLetterAsync(await ConnectAsync(), queue);
        Assert.Equal((DeadLetterReason.Expired, 0, "k"), (dead.DeadLetter!.Reason, dead.DeadLetter.Attempts, dead.Key));
        Assert.True(dead.ExpiresAt <= dead.DeadLetter.At, $"It expires at {dead.ExpiresAt:O} and was a dead letter at {dead.DeadLetter.At:O}.");
        Assert.Equal(2, handled.Seen.Count);
    }

    [Scenario(Fault.ForgetsExpiry, Fault.DropsRetries)]
    public async Task The_time_runs_on_through_retries()
    {
        var (queue, runs) = (NewName(), new Happenings<int>(Time, Fixture.Patience));
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (_, context, _) =>
            {
                runs.Add(context.Attempt);
                return new(Outcome.Retry(Fixture.Patience / 5));
            },
            With(AtOnce with { MaxAttempts = 5 })));

        await host.Bus.SendAsync(queue, new Job(1), new() { TimeToLive = Fixture.Patience / 5 });

        var dead = await DeadLetterAsync(await ConnectAsync(), queue);
        Assert.Equal((DeadLetterReason.Expired, 1), (dead.DeadLetter!.Reason, dead.DeadLetter.Attempts));
        Assert.Equal([1], runs.Seen);
    }

    [Scenario(Fault.DropsDelayed, Fault.IgnoresDelay)]
    public async Task The_time_of_a_delayed_message_begins_when_it_is_due()
    {
        var (queue, handled) = (NewName(), new Happenings<long>(Time, Fixture.Patience));
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(queue, (_, _, _) =>
        {
            handled.Add(Time.GetTimestamp());
            return new(Outcome.Ack);
        }));
        var start = Time.GetTimestamp();
        var delay = Fixture.Patience / 5;

        // Counted from now, the time would be over when it is due. A busy broker may be late by as much as it lasts.
        await host.Bus.SendAsync(queue, new Job(1), new() { Delay = delay, TimeToLive = delay * 0.9 });

        Assert.True(Time.GetElapsedTime(start, (await handled.ReachAsync(1))[0]) >= delay);
    }

    [Scenario(Fault.ForgetsExpiry)]
    public async Task What_expired_is_discarded_where_the_queue_says_so()
    {
        var (queue, handled) = (NewName(), new Happenings<int>(Time, Fixture.Patience));
        var publisher = await StartHostAsync(static _ => { });
        await DeclareAsync(await ConnectAsync(), queue);
        await publisher.Bus.SendAsync(queue, new Job(1), new() { TimeToLive = Fixture.Quiet });
        await publisher.Bus.SendAsync(queue, new Job(2));
        await Task.Delay(Fixture.Quiet * 1.5, Time, Deadline);

        var host = await StartHostAsync(messaging => Handle(messaging, queue, handled, ExpiredMessage.Discard));

        Assert.Equal([2], await handled.ReachAsync(1));
        await host.StopAsync();
        var transport = await ConnectAsync();
        await NothingComesAsync(await OpenAsync(transport, queue));
        await NothingComesAsync(await OpenAsync(transport, Names.DeadLetterQueue(queue)));
        Assert.Single(handled.Seen);
    }

    private static void Handle(MessagingBuilder messaging, string queue, Happenings<int> handled, ExpiredMessage onExpired = default) =>
        messaging.AddConsumer<Job>(
            queue,
            (job, _, _) =>
            {
                handled.Add(job.Number);
                return new(Outcome.Ack);
            },
            options => options with { Concurrency = 1, OnExpired = onExpired });
}
