using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.InMemory;
using Postrider.Core.State;
using Postrider.Core.Stats;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Stats;

/// <summary>The minutes of a queue, which hosts write in turns.</summary>
public sealed class MinuteRowsTests : IAsyncDisposable
{
    private const string Queue = "minuted";

    private static readonly DateTimeOffset Noon = DateTimeOffset.UnixEpoch.AddDays(20_000).AddHours(12);

    private readonly FakeTimeProvider _time = new(Noon);
    private readonly InMemoryStateStore _store;
    private readonly TestHost _one;
    private readonly TestHost _other;

    public MinuteRowsTests()
    {
        var broker = new InMemoryBroker(_time);
        _store = new(broker);
        (_one, _other) = (Host(broker), Host(broker));
    }

    [Fact]
    public async Task A_minute_has_what_was_counted_in_it_by_all_hosts()
    {
        await WriteAsync(Minutes(_one), 1, Host("a", 5, failed: 2, retried: 1, dead: 1), Host("b", 10));
        await WriteAsync(Minutes(_one), 7, Host("a", 8, failed: 3, retried: 1, dead: 2), Host("b", 10));

        var rows = await ReadAsync();

        Assert.Equal(
            [
                new() { Minute = Noon, Handled = 15, Failed = 2, Retried = 1, DeadLettered = 1, Depth = 1 },
                new MinuteStats { Minute = Noon.AddMinutes(1), Handled = 3, Failed = 1, DeadLettered = 1, Depth = 7 },
            ],
            rows);
    }

    [Fact]
    public async Task Handling_times_are_those_of_all_hosts_and_other_queues_do_not_count()
    {
        var recorder = new DurationRecorder();
        recorder.Record(0, 40_000_000);
        var slow = new DurationRecorder();
        slow.Record(0, 80_000_000);
        var (a, b) = (Host("a", 1), Host("b", 1));
        a = a with { Handling = [.. a.Handling.Select(one => one with { Handling = recorder.Read() }), new() { Queue = "else", Counts = new() { Acked = 100 }, Handling = slow.Read() }] };
        b = b with { Handling = [.. b.Handling.Select(one => one with { Handling = slow.Read() })] };

        await WriteAsync(Minutes(_one), 0, a, b, Host("c", 50) with { Queues = [new() { Queue = "else" }] });

        var row = Assert.Single(await ReadAsync());
        Assert.Equal(2, row.Handled);
        Assert.InRange(row.Mean.TotalMilliseconds, 59, 61);
        Assert.InRange(row.Percentile95.TotalMilliseconds, 79, 81);
        Assert.Equal(row.Percentile95, row.Percentile99);
    }

    [Fact]
    public async Task Who_takes_over_goes_on_where_the_other_stopped_and_nothing_counts_twice()
    {
        await WriteAsync(Minutes(_one), 0, Host("a", 100), Host("b", 10));

        // It sees of the other what that told some seconds before.
        await WriteAsync(Minutes(_other), 0, Host("a", 95), Host("b", 20));
        await WriteAsync(Minutes(_other), 0, Host("a", 105), Host("b", 21));
        await WriteAsync(Minutes(_one), 0, Host("a", 106), Host("b", 21));

        Assert.Equal([110, 10, 6, 1], (await ReadAsync()).Select(static row => row.Handled));
    }

    [Fact]
    public async Task Two_that_write_at_once_count_nothing_twice()
    {
        await WriteAsync(Minutes(_one), 0, Host("a", 10));
        _time.Advance(MinuteRows.Minute);
        var isFirst = true;
        var between = new BetweenStore(_store, async () =>
        {
            if (isFirst)
            {
                isFirst = false;
                await Minutes(_one).WriteAsync(Queue, 3, [Host("a", 15)], default);
            }
        });
        await using var host = TestHost.Create(messaging => messaging.UseStateStore(_ => between), services => services.AddSingleton<TimeProvider>(_time));

        await Minutes(host).WriteAsync(Queue, 3, [Host("a", 16)], default);

        Assert.Equal([10, 6], (await ReadAsync()).Select(static row => row.Handled));
    }

    [Fact]
    public async Task A_host_that_ends_takes_nothing_back_and_one_that_comes_back_counts_nothing_twice()
    {
        await WriteAsync(Minutes(_one), 0, Host("a", 100), Host("b", 10));
        await WriteAsync(Minutes(_one), 0, Host("b", 15));
        await WriteAsync(Minutes(_one), 0, Host("a", 110), Host("b", 15));
        await WriteAsync(Minutes(_one), 0, Host("a", 112), Host("b", 15));
        await WriteAsync(Minutes(_one), 0, Host("a", 112), Host("b", 15), Host("new", 7, started: _time.GetUtcNow().AddSeconds(40)));

        Assert.Equal([110, 5, 0, 2, 7], (await ReadAsync()).Select(static row => row.Handled));
    }

    [Fact]
    public async Task What_was_counted_while_nobody_wrote_is_in_the_next_minute()
    {
        await WriteAsync(Minutes(_one), 0, Host("a", 10));
        _time.Advance(MinuteRows.Minute * 4);
        await WriteAsync(Minutes(_other), 0, Host("a", 50));

        Assert.Equal([(Noon, 10), (Noon.AddMinutes(5), 40)], (await ReadAsync()).Select(static row => (row.Minute, row.Handled)));
    }

    [Fact]
    public async Task Days_are_those_of_UTC_and_go_on_from_each_other()
    {
        _time.Advance(TimeSpan.FromMinutes((12 * 60) - 2));
        for (var i = 1; i <= 4; i++)
        {
            await WriteAsync(Minutes(i % 2 == 0 ? _one : _other), i, Host("a", 10 * i, started: Noon.AddHours(12)));
        }

        var midnight = Noon.AddHours(12);
        Assert.Equal(
            [(midnight.AddMinutes(-2), 10), (midnight.AddMinutes(-1), 10), (midnight, 10), (midnight.AddMinutes(1), 10)],
            (await ReadAsync()).Select(static row => (row.Minute, row.Handled)));
        Assert.Equal(2, (await _store.ListAsync($"minutes.{Queue}")).Count);
        Assert.Equal([midnight.AddMinutes(-1), midnight], (await Minutes(_one).ReadAsync(Queue, midnight.AddMinutes(-1), midnight.AddMinutes(1), default)).Select(static row => row.Minute));
    }

    [Fact]
    public async Task Only_the_last_seven_days_are_read()
    {
        await WriteAsync(Minutes(_one), 0, Host("a", 10));
        _time.Advance(TimeSpan.FromDays(7) - MinuteRows.Minute);
        Assert.Single(await ReadAsync());
        Assert.Single(await ReadAsync("minuted", DateTimeOffset.MinValue, DateTimeOffset.MaxValue));

        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Empty(await ReadAsync());
        Assert.Empty(await ReadAsync("minuted", Noon, Noon.AddDays(-1)));
        Assert.Empty(await ReadAsync("other", DateTimeOffset.MinValue, DateTimeOffset.MaxValue));
    }

    [Fact]
    public async Task An_entry_that_cannot_be_read_is_replaced_and_the_past_of_hosts_is_left_alone()
    {
        await _store.PutAsync($"minutes.{Queue}.20241004", "something else"u8.ToArray(), 0, Timeout.InfiniteTimeSpan);
        Assert.Empty(await ReadAsync());

        await WriteAsync(Minutes(_one), 0, Host("a", 1000, started: Noon.AddDays(-1)));
        await WriteAsync(Minutes(_one), 0, Host("a", 1001, started: Noon.AddDays(-1)));

        Assert.Equal([0, 1], (await ReadAsync()).Select(static row => row.Handled));
    }

    [Fact]
    public void A_day_of_busy_minutes_and_many_hosts_fits_and_is_read_as_it_was()
    {
        var (day, date) = (MinuteDay.After(null, Noon.AddHours(-12)), DateOnly.FromDateTime(Noon.UtcDateTime));
        var rows = new List<MinuteStats>();
        for (var i = 0; i < 24 * 60; i++)
        {
            var row = new MinuteStats
            {
                Minute = Noon.AddHours(-12).AddMinutes(i),
                Depth = 50_000_000,
                Mean = TimeSpan.FromSeconds(100),
                Percentile95 = TimeSpan.FromMinutes(10),
                Percentile99 = TimeSpan.FromMinutes(20),
            };
            var count = (i + 1) * 2_000_000L;
            day.Add(row, [.. Enumerable.Range(0, 200).Select(host => (Process($"{host:x16}"), new MinuteCounts(count, count, count, count)))], row.Minute.AddMinutes(1));
            rows.Add(row with { Handled = 400_000_000, Failed = 400_000_000, Retried = 400_000_000, DeadLettered = 400_000_000 });
        }

        var value = day.Write(StateKey.MaxValueBytes);

        Assert.InRange(value.Length, 1, StateKey.MaxValueBytes);
        Assert.Equal(rows.Skip(rows.Count - MinuteDay.Read(value, date)!.Rows.Count()), MinuteDay.Read(value, date)!.Rows);
        Assert.Equal(24 * 60, MinuteDay.Read(value, date)!.Rows.Count());

        // The first go if that is too much.
        var shorter = MinuteDay.Read(day.Write(value.Length - 1), date)!.Rows.ToList();
        Assert.InRange(shorter.Count, 23 * 60, (24 * 60) - 1);
        Assert.Equal(rows.Skip(rows.Count - shorter.Count), shorter);
        for (var length = 0; length < value.Length; length += 997)
        {
            Assert.Null(MinuteDay.Read(value.AsMemory(0, length), date));
        }
    }

    [Fact]
    public async Task Hosts_write_by_themselves_and_need_a_state_store()
    {
        var broker = new InMemoryBroker(_time);
        await using var host = await TestHost.StartAsync(
            messaging => messaging.UseInMemory(broker).AddConsumer<Ping>(Queue, static (_, _, _) => new(Outcome.Ack)), services => services.AddSingleton<TimeProvider>(_time));
        var stats = host.Services.GetRequiredService<IMessagingStats>();
        await Eventually.IsAsync(() =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return stats.GetOwn().Queues[0].Depth == 0;
        });
        await host.Bus.PublishAsync(new Ping(1));
        await host.Bus.PublishAsync(new Ping(2));

        await Eventually.IsAsync(async () =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return (await stats.GetMinutesAsync(Queue, Noon, _time.GetUtcNow())).Sum(static row => row.Handled) == 2;
        });

        await using var alone = await TestHost.StartAsync(messaging => messaging.UseTransport("no state", _ => new StatelessTransport(new InMemoryTransport(broker))));
        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(
            () => alone.Services.GetRequiredService<IMessagingStats>().GetMinutesAsync(Queue, Noon, Noon.AddDays(1)).AsTask());
        Assert.Contains("needs a state store", e.Message);
        await Assert.ThrowsAsync<MessagingConfigurationException>(() => stats.GetMinutesAsync("no queue", Noon, Noon.AddDays(1)).AsTask());
    }

    public async ValueTask DisposeAsync()
    {
        await _one.DisposeAsync();
        await _other.DisposeAsync();
        await _store.DisposeAsync();
    }

    private static MinuteRows Minutes(TestHost host) => host.Services.GetRequiredService<MinuteRows>();

    private static StatsProcess Process(string id, DateTimeOffset? started = null) => new(id, "shop", "machine", 1, started ?? Noon, null);

    private static StatsSnapshot Host(string id, long handled, long failed = 0, long retried = 0, long dead = 0, DateTimeOffset? started = null) => new()
    {
        Processes = [Process(id, started)],
        Queues = [new() { Queue = Queue }],
        Handling = [new() { Queue = Queue, Counts = new() { Acked = handled - retried - dead, RetriedByChoice = retried, DeadLetteredByChoice = dead, Failed = failed } }],
    };

    private static TestHost Host(InMemoryBroker broker, FakeTimeProvider time) =>
        TestHost.Create(messaging => messaging.UseInMemory(broker), services => services.AddSingleton<TimeProvider>(time));

    private TestHost Host(InMemoryBroker broker) => Host(broker, _time);

    /// <summary>At the end of the next minute.</summary>
    private async Task WriteAsync(MinuteRows minutes, long depth, params StatsSnapshot[] hosts)
    {
        _time.Advance(minutes.UntilNext);
        await minutes.WriteAsync(Queue, depth, hosts, default);
    }

    private ValueTask<IReadOnlyList<MinuteStats>> ReadAsync(string queue = Queue, DateTimeOffset? since = null, DateTimeOffset? until = null) =>
        Minutes(_one).ReadAsync(queue, since ?? Noon, until ?? _time.GetUtcNow(), default);
}
