using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Consuming;

/// <summary>Stopping: running handlers finish, what was not begun goes back untouched, and nothing waits forever.</summary>
public sealed class DrainTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task A_running_handler_finishes_and_what_was_not_begun_goes_back_untouched()
    {
        var broker = new InMemoryBroker();
        var (begun, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        var cancelled = false;
        await PublishBeforeAnyConsumerAsync(broker, count: 10); // so that one claim brings them all into the window
        await using var first = await HostAsync(broker, async (_, _, token) =>
        {
            begun.TrySetResult();
            await goOn.Task;
            cancelled = token.IsCancellationRequested;
            return Outcome.Ack;
        });
        await begun.Task.WaitAsync(Patience);
        var stopping = first.StopAsync();
        await Eventually.IsAsync(() => first.Status.Queues["drained"] == QueueState.Draining);
        Assert.False(stopping.IsCompleted);
        goOn.SetResult();
        await stopping.WaitAsync(Patience);

        var seen = await DrainedBy(broker, expected: 9);
        Assert.False(cancelled);
        Assert.All(seen, delivery => Assert.Equal((1, 0), (delivery.Attempt, delivery.Redeliveries)));
        Assert.Equal(Enumerable.Range(1, 9), seen.Select(delivery => delivery.Number).Order());
    }

    [Fact]
    public async Task A_handler_that_outlives_the_drain_is_cancelled_and_burns_no_attempt()
    {
        var broker = new InMemoryBroker();
        var begun = new TaskCompletionSource();
        await using var first = await HostAsync(
            broker,
            async (_, _, token) =>
            {
                begun.TrySetResult();
                try
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token);
                }
                catch (OperationCanceledException e)
                {
                    throw new InvalidOperationException("clients wrap cancellations in exceptions of their own", e);
                }

                return Outcome.Ack;
            },
            drain: TimeSpan.FromMilliseconds(100));
        await first.Bus.PublishAsync(new Ping(1));
        await begun.Task.WaitAsync(Patience);

        await first.StopAsync().WaitAsync(Patience);

        var again = Assert.Single(await DrainedBy(broker, expected: 1));
        Assert.Equal((1, 0), (again.Attempt, again.Redeliveries));
    }

    [Fact]
    public async Task A_hung_handler_does_not_keep_the_host_from_stopping()
    {
        var begun = new TaskCompletionSource();
        var never = new TaskCompletionSource();
        await using var host = await HostAsync(
            new InMemoryBroker(),
            async (_, _, _) =>
            {
                begun.TrySetResult();
                await never.Task;
                return Outcome.Ack;
            },
            drain: TimeSpan.FromMilliseconds(100));
        await host.Bus.PublishAsync(new Ping(1));
        await begun.Task.WaitAsync(Patience);

        await host.StopAsync().WaitAsync(TimeSpan.FromSeconds(8));

        Assert.Equal(QueueState.Stopped, host.Status.Queues["drained"]);
        never.SetResult();
    }

    private static async Task PublishBeforeAnyConsumerAsync(InMemoryBroker broker, int count)
    {
        await using var publisher = await TestHost.StartAsync(m => m.UseInMemory(broker));
        var transport = publisher.Services.GetRequiredService<ITransport>();
        await transport.DeclareAsync(new(["drained"], [new("tests.ping", "drained")]), CancellationToken.None);
        for (var i = 0; i < count; i++)
        {
            await publisher.Bus.PublishAsync(new Ping(i));
        }
    }

    private static async Task<IReadOnlyCollection<(int Number, int Attempt, int Redeliveries)>> DrainedBy(InMemoryBroker broker, int expected)
    {
        var seen = new ConcurrentQueue<(int, int, int)>();
        var all = new TaskCompletionSource();
        await using var host = await HostAsync(broker, (message, context, _) =>
        {
            seen.Enqueue((message.Number, context.Attempt, context.Redeliveries));
            if (seen.Count == expected)
            {
                all.TrySetResult();
            }

            return new(Outcome.Ack);
        });
        await all.Task.WaitAsync(Patience);
        return seen;
    }

    private static Task<TestHost> HostAsync(
        InMemoryBroker broker, Func<Ping, ConsumeContext, CancellationToken, ValueTask<Outcome>> consume, TimeSpan? drain = null) =>
        TestHost.StartAsync(m => m
            .UseInMemory(broker)
            .Configure(o => o with { DrainTimeout = drain ?? Patience })
            .AddConsumer("drained", consume, o => o with { Concurrency = 1, Retry = RetryPolicy.Immediate }));
}
