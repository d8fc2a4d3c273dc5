using System.Collections.Concurrent;
using Postrider.Core.InMemory;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>
/// What is paused and resumed, and passed from process to process, is neither lost nor burns an attempt. The state store is one in memory: stores have a suite of
/// their own (<see cref="StateStoreScenarios"/>).
/// </summary>
public abstract class FlowScenarios(TransportFixture fixture) : HostScenarios(fixture)
{
    private readonly InMemoryBroker _state = new();

    /// <summary>What was claimed goes back.</summary>
    [Scenario(Fault.LosesReleases)]
    public async Task A_paused_queue_gives_nothing_until_it_is_resumed()
    {
        const int count = 30;
        var (queue, topic) = (NewName(), NewName());
        var runs = new Happenings<(int Number, int Attempt)>(Time, Fixture.Patience);
        var (running, go) = (new TaskCompletionSource(), new TaskCompletionSource());
        var host = await StartHostAsync(messaging => messaging.UseStateStore(_ => new InMemoryStateStore(_state)).AddConsumer<Job>(
            queue,
            async (job, context, _) =>
            {
                running.TrySetResult();
                await go.Task;
                runs.Add((job.Number, context.Attempt));
                return Outcome.Ack;
            },
            On(topic, options => options with { Concurrency = 1, Lease = LongLease })));
        for (var i = 0; i < count; i++)
        {
            await host.Bus.SendAsync(queue, new Job(i));
        }

        await running.Task.WaitAsync(Fixture.Patience, Time);
        await host.Control.PauseAsync(queue, "conformance");
        await UntilAsync(() => host.Status.Queues[queue] == QueueState.Draining);
        go.SetResult();
        await UntilAsync(() => host.Status.Queues[queue] == QueueState.Paused);
        Assert.Equal([(0, 1)], runs.Seen);
        await Task.Delay(Fixture.Quiet, Time, Deadline);
        Assert.Single(runs.Seen);

        await host.Control.ResumeAsync(queue);
        Assert.Equal(Enumerable.Range(0, count).Select(static number => (number, 1)), (await runs.ReachAsync(count)).Order());
    }

    /// <summary>Each message is handled once, in the order of its key, while the active one changes in the midst of them.</summary>
    [Scenario(Fault.LosesReleases)]
    public async Task Order_by_key_holds_over_processes_with_a_single_active_consumer()
    {
        const int count = 300;
        const int keys = 5;
        const int before = 20;
        var (queue, topic) = (NewName(), NewName());
        var handled = new ConcurrentQueue<(int Number, string By)>();
        var (enough, stopping) = (new TaskCompletionSource(), new TaskCompletionSource());
        var first = await StartAsync("first");
        await UntilAsync(() => first.Status.Queues[queue] == QueueState.Receiving);
        var second = await StartAsync("second");
        await UntilAsync(() => second.Status.Queues[queue] == QueueState.Standby);
        for (var i = 0; i < count; i++)
        {
            await second.Bus.SendAsync(queue, new Job(i), new PublishOptions { Key = $"k{i % keys}" });
        }

        await enough.Task.WaitAsync(Fixture.Patience, Time);
        var stopped = first.StopAsync();
        await UntilAsync(() => first.Status.Queues[queue] == QueueState.Draining);
        stopping.SetResult();
        await stopped;
        await UntilAsync(() => handled.Count >= count);
        await Task.Delay(Fixture.Quiet, Time, Deadline);

        Assert.Equal(Enumerable.Range(0, count), handled.Select(static one => one.Number).Order());
        var changes = handled.Zip(handled.Skip(1)).Count(static two => two.First.By != two.Second.By);
        Assert.SkipWhen(changes != 1, $"The machine halted a process for seconds, so its place was lost: it changed {changes} times, and the order is not promised then.");
        Assert.All(handled.GroupBy(static one => one.Number % keys), static key => Assert.Equal(key.OrderBy(static one => one.Number), key));

        Task<ScenarioHost> StartAsync(string name) => StartHostAsync(messaging => messaging.UseStateStore(_ => new InMemoryStateStore(_state)).AddConsumer<Job>(
            queue,
            async (job, _, token) =>
            {
                await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, token);
                if (handled.Count >= before)
                {
                    // The rest is for the other one.
                    enough.TrySetResult();
                    await stopping.Task;
                }

                handled.Enqueue((job.Number, name));
                return Outcome.Ack;
            },
            On(topic, options => options with { Concurrency = 4, SingleActive = true, Order = MessageOrder.ByKey, Lease = LongLease })));
    }
}
