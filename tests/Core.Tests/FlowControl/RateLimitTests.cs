using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.FlowControl;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.FlowControl;

/// <summary>No more is claimed than the rate allows.</summary>
public sealed class RateLimitTests
{
    [Fact]
    public async Task A_burst_comes_at_once_and_then_the_rate()
    {
        var time = new FakeTimeProvider();
        var limit = new RateLimit(new() { PerSecond = 10, Burst = 5 }, static () => 1, time);
        Assert.Equal(5, await limit.WaitAsync(100, default));
        limit.Claimed(2);
        Assert.Equal(3, await limit.WaitAsync(100, default));
        Assert.Equal(1, await limit.WaitAsync(1, default));
        limit.Claimed(3);

        var waiting = limit.WaitAsync(100, default);
        Assert.False(waiting.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(95));
        Assert.False(waiting.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(10));
        Assert.Equal(1, await waiting);

        // A rest is worth a burst and no more.
        time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(5, await limit.WaitAsync(100, default));
    }

    [Fact]
    public async Task Those_who_share_it_have_a_part_each()
    {
        var time = new FakeTimeProvider();
        var sharers = 4;
        var limit = new RateLimit(new() { PerSecond = 100, Burst = 8 }, () => sharers, time);
        time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(2, await limit.WaitAsync(100, default));
        limit.Claimed(2);
        var waiting = limit.WaitAsync(100, default);
        time.Advance(TimeSpan.FromMilliseconds(30));
        Assert.False(waiting.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(15));
        Assert.Equal(1, await waiting);
        sharers = 1;
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(8, await limit.WaitAsync(100, default));
    }

    [Fact]
    public async Task Waiting_ends_with_its_token()
    {
        var limit = new RateLimit(new() { PerSecond = 0.001 }, static () => 1, new FakeTimeProvider());
        limit.Claimed(1);
        using var stop = new CancellationTokenSource();
        var waiting = limit.WaitAsync(1, stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await waiting);
    }

    [Fact]
    public async Task A_consumer_keeps_to_it_and_what_waits_stays_in_the_queue()
    {
        var (broker, time, handled) = (new InMemoryBroker(), new FakeTimeProvider(), new ConcurrentQueue<int>());
        await using var host = await TestHost.StartAsync(
            m => m.UseInMemory(broker).AddConsumer<Ping>(
                "limited",
                (ping, _, _) =>
                {
                    handled.Enqueue(ping.Number);
                    return new(Outcome.Ack);
                },
                static options => options with { RateLimit = new() { PerSecond = 2, Burst = 3 } }),
            services => services.AddSingleton<TimeProvider>(time));
        for (var i = 0; i < 10; i++)
        {
            await host.Bus.PublishAsync(new Ping(i));
        }

        await Eventually.IsAsync(() => handled.Count == 3);
        IQueueDepth transport = new InMemoryTransport(broker);
        await Eventually.IsAsync(async () => (await transport.DepthAsync("limited", default)).Total == 7);
        for (var i = 4; i <= 10; i++)
        {
            // The loop may not wait yet when the clock is put forward.
            await Eventually.IsAsync(() =>
            {
                time.Advance(TimeSpan.FromMilliseconds(20));
                return handled.Count >= i;
            });
            Assert.Equal(i, handled.Count);
        }
    }

    [Fact]
    public async Task Processes_share_a_shared_limit()
    {
        var (broker, by) = (new InMemoryBroker(), new ConcurrentQueue<string>());
        await using var one = await HostAsync("one");
        await using var other = await HostAsync("other");
        await Eventually.IsAsync(() => one.Status.IsHealthy && other.Status.IsHealthy);
        for (var i = 0; i < 200; i++)
        {
            await one.Bus.PublishAsync(new Ping(i));
        }

        await Eventually.IsAsync(() => by.Count > 10);
        var (from, count) = (TimeProvider.System.GetTimestamp(), by.Count);
        await Eventually.IsAsync(() => TimeProvider.System.GetElapsedTime(from) > TimeSpan.FromSeconds(2));
        var rate = (by.Count - count) / TimeProvider.System.GetElapsedTime(from).TotalSeconds;

        Assert.True(rate < 30, $"{rate} a second instead of 20: each took all of it.");
        Assert.Equal(2, by.Distinct().Count());

        Task<TestHost> HostAsync(string name) => TestHost.StartAsync(m => m.UseInMemory(broker).AddConsumer<Ping>(
            "limited",
            (_, _, _) =>
            {
                by.Enqueue(name);
                return new(Outcome.Ack);
            },
            static options => options with { RateLimit = new() { PerSecond = 20, Shared = true } }));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(double.NaN, 1)]
    [InlineData(double.PositiveInfinity, 1)]
    [InlineData(1, 0)]
    public async Task Impossible_limits_are_refused(double perSecond, int burst)
    {
        await using var host = TestHost.Create(m => m.AddConsumer<Ping>(
            "limited", static (_, _, _) => new(Outcome.Ack), options => options with { RateLimit = new() { PerSecond = perSecond, Burst = burst } }));
        var refused = await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync);
        Assert.Contains("RateLimit", refused.Message, StringComparison.Ordinal);
    }
}
