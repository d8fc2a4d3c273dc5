using System.Text.Json;
using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>Each of one key wait for each other, as their queue says; queues stop for one that fails for good, if its policy says so.</summary>
public abstract class OrderScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    private const int Each = 20;

    [Scenario(Fault.Reorders)]
    public async Task Messages_of_one_key_are_handled_one_after_another_and_others_beside_them()
    {
        var queue = NewName();
        var handled = new Happenings<(string? Key, int Number)>(Time, Fixture.Patience);
        var (running, gate) = (0, new TaskCompletionSource());
        await SendAsync(queue, ["a", "b"]);

        await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            async (job, context, token) =>
            {
                if (Interlocked.Increment(ref running) == 2)
                {
                    // One of each key, no more: the second of neither key comes before its first has ended.
                    gate.SetResult();
                }

                await gate.Task.WaitAsync(Fixture.Patience, Time, token);
                handled.Add((context.Key, job.Number));
                return Outcome.Ack;
            },
            options => options with { Order = MessageOrder.ByKey, Lease = LongLease }));

        var seen = await handled.ReachAsync(Each * 2);
        foreach (var key in (string[])["a", "b"])
        {
            Assert.Equal(Enumerable.Range(1, Each), seen.Where(one => one.Key == key).Select(static one => one.Number));
        }
    }

    [Scenario(Fault.Reorders)]
    public async Task One_that_fails_holds_its_key_back_until_it_has_succeeded()
    {
        var queue = NewName();
        var handled = new Happenings<(string? Key, int Number, int Attempt)>(Time, Fixture.Patience);
        await SendAsync(queue, ["a", "b"]);
        await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (job, context, _) =>
            {
                handled.Add((context.Key, job.Number, context.Attempt));
                return job.Number == 1 && context is { Key: "a", Attempt: < 3 } ? throw new InvalidOperationException("not yet") : new(Outcome.Ack);
            },
            options => options with { Order = MessageOrder.ByKeyWithRetries, Lease = LongLease, Retry = RetryPolicy.Fixed(Fixture.Quiet / 3) with { MaxAttempts = 3 } }));

        var seen = await handled.ReachAsync((Each * 2) + 2);

        Assert.Equal(
            [(1, 1), (1, 2), (1, 3), .. Enumerable.Range(2, Each - 1).Select(static number => (number, 1))],
            seen.Where(static one => one.Key == "a").Select(static one => (one.Number, one.Attempt)));
        Assert.Equal(Enumerable.Range(1, Each), seen.Where(static one => one.Key == "b").Select(static one => one.Number));
    }

    /// <summary>A backlog of one key has a share of the window only.</summary>
    [Scenario(Fault.Reorders)]
    public async Task Others_go_on_beside_a_key_that_is_stuck()
    {
        const int backlog = 80;
        var queue = NewName();
        var handled = new Happenings<(string? Key, int Number)>(Time, Fixture.Patience);
        var gate = new TaskCompletionSource();
        await SendAsync(queue, ["stuck"], backlog);
        await SendAsync(queue, ["a", "b"]);

        await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            async (job, context, token) =>
            {
                if (context.Key == "stuck")
                {
                    await gate.Task.WaitAsync(token);
                }

                handled.Add((context.Key, job.Number));
                return Outcome.Ack;
            },
            options => options with { Concurrency = 4, Order = MessageOrder.ByKey, Lease = LongLease }));

        Assert.DoesNotContain("stuck", (await handled.ReachAsync(Each * 2)).Select(static one => one.Key));
        gate.SetResult();
        var seen = await handled.ReachAsync(backlog + (Each * 2));
        Assert.All(seen.GroupBy(static one => one.Key), static key => Assert.Equal(Enumerable.Range(1, key.Count()), key.Select(static one => one.Number)));
    }

    [Scenario(Fault.LosesReleases, Fault.LosesAttempt)]
    public async Task A_message_that_fails_for_good_stops_its_queue_and_stays_in_it()
    {
        var (queue, topic) = (NewName(), NewName());
        var runs = new Happenings<(int Number, int Attempt)>(Time, Fixture.Patience);
        Func<ConsumerOptions, ConsumerOptions> stop = On(topic, options => options with
        {
            Concurrency = 1,
            Lease = LongLease,
            Retry = RetryPolicy.Immediate with { MaxAttempts = 2, OnExhausted = ExhaustedMessage.Stop },
        });
        var host = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (job, context, _) =>
            {
                runs.Add((job.Number, context.Attempt));
                return job.Number == 1 ? throw new InvalidOperationException("never") : new(Outcome.Ack);
            },
            stop));
        await host.Bus.SendAsync(queue, new Job(1));
        await runs.ReachAsync(2);
        await UntilAsync(() => host.Status.Queues[queue] == QueueState.Paused);
        Assert.False(host.Status.IsHealthy);
        await host.Bus.SendAsync(queue, new Job(2));
        await Task.Delay(Fixture.Quiet, Time, Deadline);
        Assert.Equal([(1, 1), (1, 2)], runs.Seen);
        await host.StopAsync();

        // Whoever starts after it was mended gets both; where there is a state store, when it is resumed.
        var again = new Happenings<(int Number, int Attempt)>(Time, Fixture.Patience);
        var second = await StartHostAsync(messaging => messaging.AddConsumer<Job>(
            queue,
            (job, context, _) =>
            {
                again.Add((job.Number, context.Attempt));
                return new(Outcome.Ack);
            },
            stop));
        try
        {
            await second.Control.ResumeAsync(queue);
        }
        catch (MessagingConfigurationException)
        {
            // Without one only the first host was stopped.
        }

        Assert.Equal([(1, 2), (2, 1)], (await again.ReachAsync(2)).Order());
    }

    /// <summary>Before anybody consumes them, of all keys in turn.</summary>
    private async Task SendAsync(string queue, string[] keys, int each = Each)
    {
        var transport = await ConnectAsync();
        await DeclareAsync(transport, queue);
        var numbers = Enumerable.Range(1, each);
        await StoreAsync(transport, [.. numbers.SelectMany(number => keys.Select(key => new OutgoingMessage(Destination.Queue(queue), new()
        {
            Id = Guid.NewGuid().ToString("N"),
            Type = "conformance.job",
            Key = key,
            ContentType = "application/json",
            Body = JsonSerializer.SerializeToUtf8Bytes(new Job(number), ScenarioJson.Default.Job),
        })))]);
    }
}
