using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Shutdown: running handlers finish, nothing is lost, no attempt is burnt, and it ends in time.</summary>
public abstract class ShutdownScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    [Scenario(Fault.ForgetsAcks, Fault.StopEndsSettling)]
    public async Task A_running_handler_finishes_uncancelled_and_is_acked()
    {
        var queue = NewName();
        var (begun, ended) = (new Happenings<int>(Time, Fixture.Patience), new Happenings<bool>(Time, Fixture.Patience));
        var finish = new TaskCompletionSource();
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            async (_, _, cancellationToken) =>
            {
                begun.Add(1);
                await finish.Task;
                ended.Add(cancellationToken.IsCancellationRequested);
                return Outcome.Ack;
            },
            options => options with { Lease = Fixture.Lease }));
        await host.Bus.SendAsync(queue, new Job(1));
        await begun.ReachAsync(1);

        var stopping = host.StopAsync();
        await Assert.ThrowsAsync<TimeoutException>(() => stopping.WaitAsync(Fixture.Quiet / 2, Time));
        finish.SetResult();
        await stopping.WaitAsync(Fixture.Patience, Time);

        Assert.Equal([false], ended.Seen);
        await host.DisposeAsync();
        await NothingComesAsync(await OpenAsync(await ConnectAsync(), queue), Fixture.Lease + Fixture.Quiet);
    }

    [Scenario(Fault.LosesReleases, Fault.CountsReleases)]
    public async Task A_handler_that_outlasts_the_drain_is_cancelled_and_its_message_given_back_untouched()
    {
        var queue = NewName();
        var begun = new Happenings<int>(Time, Fixture.Patience);
        var host = await StartHostAsync(messaging => messaging
            .Configure(options => options with { DrainTimeout = Fixture.Quiet })
            .AddConsumer<Job>(
                queue,
                async (_, context, cancellationToken) =>
                {
                    begun.Add(context.Attempt);
                    await Task.Delay(Timeout.InfiniteTimeSpan, Time, cancellationToken);
                    return Outcome.Ack;
                },
                options => options with { Lease = LongLease }));
        await host.Bus.SendAsync(queue, new Job(1));
        await begun.ReachAsync(1);

        await host.StopAsync().WaitAsync(Fixture.Patience, Time);
        await host.DisposeAsync();

        var transport = await ConnectAsync();
        var again = await TakeOneAsync(await OpenAsync(transport, queue));
        Assert.Equal(1, again.Envelope.Attempt);
        Assert.InRange(again.Redeliveries, 0, transport.Capabilities.UncountedRelease.IsSupported ? 0 : 1);
    }

    [Scenario(Fault.LosesReleases, Fault.CountsReleases)]
    public async Task A_handler_that_never_returns_keeps_neither_the_host_nor_its_message()
    {
        var queue = NewName();
        var begun = new Happenings<int>(Time, Fixture.Patience);
        var never = new TaskCompletionSource();
        var host = await StartHostAsync(messaging => messaging
            .Configure(options => options with { DrainTimeout = Fixture.Quiet })
            .AddConsumer<Job>(
                queue,
                async (job, _, _) =>
                {
                    begun.Add(job.Number);
                    await never.Task;
                    return Outcome.Ack;
                },
                options => options with { Concurrency = 1, Lease = LongLease }));
        await host.Bus.SendAsync(queue, new Job(1));
        await begun.ReachAsync(1);
        await host.Bus.SendAsync(queue, new Job(2));

        await host.StopAsync().WaitAsync(Fixture.Patience, Time);
        await host.DisposeAsync();

        // Long before its lease would be over.
        var transport = await ConnectAsync();
        var again = await DrainAsync(await OpenAsync(transport, queue), 2);
        Assert.All(again, static one => Assert.Equal(1, one.Envelope.Attempt));
        Assert.True(!transport.Capabilities.UncountedRelease.IsSupported || again.All(static one => one.Redeliveries == 0));
        never.SetResult();
        await NothingComesAsync(await OpenAsync(transport, queue));
    }

    [Scenario(Fault.LosesReleases, Fault.CountsReleases)]
    public async Task What_was_fetched_and_not_begun_is_given_back_untouched()
    {
        const int Count = 60;
        var queue = NewName();
        var begun = new Happenings<int>(Time, Fixture.Patience);
        var finish = new TaskCompletionSource();
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            async (job, _, _) =>
            {
                begun.Add(job.Number);
                await finish.Task;
                return Outcome.Ack;
            },
            options => options with { Concurrency = 1, Lease = LongLease }));
        await Task.WhenAll(Enumerable.Range(0, Count).Select(number => host.Bus.SendAsync(queue, new Job(number)).AsTask()));
        await begun.ReachAsync(1);

        var stopping = host.StopAsync();
        await UntilAsync(() => host.Status.Queues[queue] == QueueState.Draining);

        finish.SetResult();
        await stopping.WaitAsync(Fixture.Patience, Time);
        await host.DisposeAsync();

        var transport = await ConnectAsync();
        var left = Count - begun.Seen.Count;
        Assert.Equal(Count - 1, left);
        var rest = await DrainAsync(await OpenAsync(transport, queue), left);
        Assert.All(rest, static one => Assert.Equal(1, one.Envelope.Attempt));
        Assert.True(!transport.Capabilities.UncountedRelease.IsSupported || rest.All(static one => one.Redeliveries == 0));
        await NothingComesAsync(await OpenAsync(transport, queue));
    }

    [Scenario(Fault.DropsMessages, Fault.LosesReleases)]
    public async Task Hosts_that_come_and_go_handle_every_message_exactly_once()
    {
        const int Count = 400;
        var queue = NewName();
        var handled = new Happenings<int>(Time, Fixture.Patience);
        var keeper = await ConnectAsync();
        await DeclareAsync(keeper, queue);
        var publisher = await StartHostAsync(static _ => { });
        var publishing = Task.WhenAll(Enumerable.Range(0, 4).Select(share => Task.Run(async () =>
        {
            for (var i = 0; i < Count / 4; i++)
            {
                await publisher.Bus.SendAsync(queue, new Job((share * Count) + i));
            }
        })));
        await publishing;
        for (var sitting = 1; sitting <= 6; sitting++)
        {
            await using var host = await StartHostAsync(Register);
            await handled.ReachAsync(Math.Min(Count, sitting * 40));
            await host.StopAsync().WaitAsync(Fixture.Patience, Time);
        }

        await StartHostAsync(Register);

        await handled.ReachAsync(Count);
        await NothingComesAsync(await OpenAsync(keeper, queue));
        Assert.Equal(Count, handled.Seen.Distinct().Count());
        Assert.Equal(Count, handled.Seen.Count);

        void Register(MessagingBuilder messaging) => messaging.AddConsumer<Job>(
            queue,
            async (job, _, _) =>
            {
                // Handling takes a moment, so that every stop finds some that are fetched and not begun.
                await Task.Delay(TimeSpan.FromMilliseconds(1), Time, CancellationToken.None);
                handled.Add(job.Number);
                return Outcome.Ack;
            },
            options => options with { Concurrency = 2, Lease = LongLease });
    }

    [Scenario(Fault.DropsMessages)]
    public async Task What_is_sent_while_nobody_consumes_is_handled_by_the_next_host()
    {
        var queue = NewName();
        var handled = new Happenings<int>(Time, Fixture.Patience);
        var first = await StartHostAsync(Register);
        await first.StopAsync().WaitAsync(Fixture.Patience, Time);
        await first.DisposeAsync();
        var publisher = await StartHostAsync(static _ => { });
        await publisher.Bus.SendAsync(queue, new Job(7));

        await StartHostAsync(Register);

        Assert.Equal([7], await handled.ReachAsync(1));

        void Register(MessagingBuilder messaging) => messaging.AddConsumer<Job>(queue, (job, _, _) =>
        {
            handled.Add(job.Number);
            return new(Outcome.Ack);
        });
    }
}
