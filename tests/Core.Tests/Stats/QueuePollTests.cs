using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.InMemory;
using Postrider.Core.State;
using Postrider.Core.Stats;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Stats;

/// <summary>What hosts tell of the queues that they consume.</summary>
public sealed class QueuePollTests
{
    private const string Queue = "polled-orders";

    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddDays(20_000));
    private readonly InMemoryBroker _broker;

    public QueuePollTests() => _broker = new(_time);

    [Fact]
    public async Task Each_queue_is_counted_by_one_host_and_by_another_when_that_has_ended()
    {
        var one = await StartAsync();
        var other = await StartAsync();
        await one.Bus.PublishAsync(new Ping(1, "dead"));
        await one.Bus.PublishAsync(new Ping(1), new() { Delay = TimeSpan.FromDays(100) });
        await Eventually.IsAsync(() => Stats(one).GetOwn().Handled.Counts.DeadLettered + Stats(other).GetOwn().Handled.Counts.DeadLettered == 1);

        await UntilAsync(() => Own(one).Depth is not null || Own(other).Depth is not null);
        var (counts, waits) = Own(one).Depth is not null ? (one, other) : (other, one);
        for (var i = 0; i < 100; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(5));
            Assert.Equal((null, null, null), (Own(waits).Depth, Own(waits).DeadLetters, Own(waits).CountedAt));
            var looked = Own(counts).CountedAt;
            await Eventually.IsAsync(() => _time.GetUtcNow() - Own(counts).CountedAt <= QueuePoll.Interval + TimeSpan.FromSeconds(5) || Own(counts).CountedAt > looked);
        }

        Assert.Equal((1, 1), (Own(counts).Depth, Own(counts).DeadLetters));
        await counts.DisposeAsync();
        await UntilAsync(() => Own(waits) is { Depth: 1, DeadLetters: 1 });
        await waits.DisposeAsync();
    }

    [Fact]
    public async Task Another_host_counts_when_the_first_was_killed()
    {
        await using var store = new InMemoryStateStore(_broker);
        var revision = await store.PutAsync($"polls.{Queue}", "killed"u8.ToArray(), 0, Timeout.InfiniteTimeSpan);
        await using var host = await StartAsync();
        for (var i = 0; i < 100; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(5));
            Assert.Null(Own(host).Depth);
        }

        await store.PutAsync($"polls.{Queue}", "killed"u8.ToArray(), revision!.Value, StateKey.ShortestLife);
        await UntilAsync(() => Own(host).Depth == 0);
    }

    [Fact]
    public async Task A_host_looks_by_itself_and_tells_of_what_it_is_busy_with()
    {
        var finish = new TaskCompletionSource();
        await using var host = await StartAsync(finish.Task);
        await host.Bus.PublishAsync(new Ping(1, "wait"));
        QueueStats busy;
        IEnumerable<(string, long)> measured;
        try
        {
            await UntilAsync(() => Own(host) is { Busy: 1, Depth: 1 });
            (busy, measured) = (Own(host), Measured());
        }
        finally
        {
            finish.SetResult();
        }

        Assert.Equal((1, 3), (busy.Hosts, busy.Capacity));
        Assert.Equal(
            [("postrider.queue.busy", 1), ("postrider.queue.capacity", 3), ("postrider.queue.dead_letters", 0), ("postrider.queue.depth", 1)], measured);
        await UntilAsync(() => Own(host) is { Busy: 0, Depth: 0 });
    }

    [Fact]
    public void What_was_counted_later_counts_and_the_rest_is_added()
    {
        var now = DateTimeOffset.UnixEpoch;
        var one = new QueueStats { Queue = "q", Hosts = 1, Busy = 2, Capacity = 10, Depth = 5, DeadLetters = 1, CountedAt = now };
        var other = new QueueStats { Queue = "q", Hosts = 2, Busy = 3, Capacity = 20, Depth = 7, DeadLetters = 0, CountedAt = now.AddSeconds(1) };
        var none = new QueueStats { Queue = "q", Hosts = 1, Busy = 1, Capacity = 5 };
        var merged = new QueueStats { Queue = "q", Hosts = 3, Busy = 5, Capacity = 30, Depth = 7, DeadLetters = 0, CountedAt = now.AddSeconds(1) };

        Assert.Equal(merged, one.Merge(other));
        Assert.Equal(merged, other.Merge(one));
        Assert.Equal(one with { Hosts = 2, Busy = 3, Capacity = 15 }, one.Merge(none));
        Assert.Equal(one with { Hosts = 2, Busy = 3, Capacity = 15 }, none.Merge(one));
        Assert.Equal(merged, Assert.Single(StatsSnapshot.Merge([new() { Queues = [one] }, new() { Queues = [other] }]).Queues));
    }

    private static IMessagingStats Stats(TestHost host) => host.Services.GetRequiredService<IMessagingStats>();

    private static QueueStats Own(TestHost host) => Assert.Single(Stats(host).GetOwn().Queues);

    private static IEnumerable<(string, long)> Measured()
    {
        var measured = new List<(string, long)>();
        using var listener = new MeterListener { InstrumentPublished = static (instrument, self) => self.EnableMeasurementEvents(instrument) };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            foreach (var (key, queue) in tags)
            {
                if (instrument.Name.StartsWith("postrider.queue.", StringComparison.Ordinal) && key == "messaging.destination.name" && queue is Queue)
                {
                    measured.Add((instrument.Name, value));
                }
            }
        });
        listener.Start();
        listener.RecordObservableInstruments();
        return measured.Order();
    }

    private Task UntilAsync(Func<bool> condition) => Eventually.IsAsync(() =>
    {
        _time.Advance(TimeSpan.FromSeconds(1));
        return condition();
    });

    /// <summary>On the shared broker, which is its state store too.</summary>
    private Task<TestHost> StartAsync(Task? wait = null) => TestHost.StartAsync(
        messaging => messaging.UseInMemory(_broker).AddConsumer<Ping>(
            Queue,
            async (ping, _, _) =>
            {
                await (ping.Text == "wait" ? wait! : Task.CompletedTask);
                return ping.Text == "dead" ? Outcome.DeadLetter("no") : Outcome.Ack;
            },
            static options => options with { Concurrency = 3 }),
        services => services.AddSingleton<TimeProvider>(_time));
}
