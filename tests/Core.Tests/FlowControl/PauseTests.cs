using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.FlowControl;

/// <summary>Queues are paused by any process, for all, until they are resumed.</summary>
public sealed class PauseTests
{
    [Fact]
    public async Task Nothing_is_taken_from_a_paused_queue_in_any_process_until_it_is_resumed()
    {
        var (broker, handled) = (new InMemoryBroker(), new ConcurrentQueue<int>());
        await using var one = await HostAsync(broker, handled);
        await using var other = await HostAsync(broker, handled);

        await Control(one).PauseAsync("pausable", "maintenance");
        await IsAsync(one, QueueState.Paused);
        await IsAsync(other, QueueState.Paused);
        await one.Bus.PublishAsync(new Ping(1));
        var paused = Assert.Single(await Control(other).GetPausedAsync());
        Assert.Equal(("pausable", "maintenance"), (paused.Queue, paused.Reason));
        Assert.Contains($"process {Environment.ProcessId}", paused.By, StringComparison.Ordinal);
        Assert.Empty(handled);

        Assert.True(await Control(other).ResumeAsync("pausable"));
        await Eventually.IsAsync(() => handled.Contains(1));
        await IsAsync(one, QueueState.Receiving);
        await IsAsync(other, QueueState.Receiving);
        Assert.False(await Control(one).ResumeAsync("pausable"));
        Assert.Empty(await Control(one).GetPausedAsync());
    }

    [Fact]
    public async Task A_pause_outlives_the_processes()
    {
        var (broker, handled) = (new InMemoryBroker(), new ConcurrentQueue<int>());
        await using (var before = await HostAsync(broker, handled))
        {
            await Control(before).PauseAsync("pausable");
        }

        await using var after = await HostAsync(broker, handled);
        await after.Bus.PublishAsync(new Ping(1));
        await IsAsync(after, QueueState.Paused);
        Assert.Empty(handled);
        await Control(after).ResumeAsync("pausable");
        await Eventually.IsAsync(() => handled.Contains(1));
    }

    [Fact]
    public async Task A_handler_that_runs_goes_on_to_its_end_and_what_waits_behind_it_goes_back_untouched()
    {
        var (broker, handled) = (new InMemoryBroker(), new ConcurrentQueue<(int Number, int Attempt, int Redeliveries)>());
        var (running, go) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var host = await TestHost.StartAsync(m => m.UseInMemory(broker).AddConsumer<Ping>(
            "pausable",
            async (ping, context, _) =>
            {
                running.TrySetResult();
                await go.Task;
                Assert.False(context.CancellationToken.IsCancellationRequested);
                handled.Enqueue((ping.Number, context.Attempt, context.Redeliveries));
                return Outcome.Ack;
            },
            options => options with { Concurrency = 1 }));
        await host.Bus.PublishAsync(new Ping(1));
        await host.Bus.PublishAsync(new Ping(2));
        await running.Task;

        await Control(host).PauseAsync("pausable");
        await IsAsync(host, QueueState.Draining);
        go.SetResult();
        await IsAsync(host, QueueState.Paused);
        Assert.Equal([(1, 1, 0)], handled);

        await Control(host).ResumeAsync("pausable");
        await Eventually.IsAsync(() => handled.Count == 2);
        Assert.Equal((2, 1, 0), handled.Last());
    }

    [Fact]
    public async Task Pausing_again_changes_the_reason_and_keeps_the_beginning()
    {
        await using var host = await HostAsync(new InMemoryBroker(), []);
        await Control(host).PauseAsync("pausable", "first");
        var first = Assert.Single(await Control(host).GetPausedAsync());
        await Control(host).PauseAsync("pausable", new string('x', 2000));
        var second = Assert.Single(await Control(host).GetPausedAsync());

        Assert.Equal(first.Since, second.Since);
        Assert.Equal(new string('x', 1000), second.Reason);
    }

    [Fact]
    public async Task Without_a_state_store_pausing_is_refused()
    {
        await using var host = await TestHost.StartAsync(m => m.UseTransport("bare", _ => new ScriptedTransport()));
        var refused = await Assert.ThrowsAsync<MessagingConfigurationException>(async () => await Control(host).PauseAsync("a"));

        Assert.Contains("state store", refused.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<MessagingConfigurationException>(async () => await Control(host).PauseAsync("not legal"));
    }

    private static IQueueControl Control(TestHost host) => host.Services.GetRequiredService<IQueueControl>();

    private static Task IsAsync(TestHost host, QueueState state) => Eventually.IsAsync(() => host.Status.Queues["pausable"] == state);

    private static Task<TestHost> HostAsync(InMemoryBroker broker, ConcurrentQueue<int> handled) => TestHost.StartAsync(m => m.UseInMemory(broker).AddConsumer<Ping>(
        "pausable",
        (ping, _, _) =>
        {
            handled.Enqueue(ping.Number);
            return new(Outcome.Ack);
        }));
}
