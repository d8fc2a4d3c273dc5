using System.Security.Cryptography;
using System.Text.Json;
using Postrider.Core.State;
using Postrider.Core.Stats;

namespace Postrider.Core.Tests.Stats;

public sealed class StatsSnapshotTests
{
    [Fact]
    public void Several_that_are_merged_are_as_one_that_counted_everything()
    {
        var (one, other) = (Of("a", 3), Of("b", 40));

        var both = StatsSnapshot.Merge([one, other]);

        Assert.Equal(other.At, both.At);
        Assert.Equal(["a", "b"], both.Processes.Select(static process => process.Id));
        var handled = Assert.Single(both.Handling, static stats => stats.Consumer == "c1");
        Assert.Equal(new() { Acked = 43, RetriedByException = 86, Failed = 86, InFlight = 2, Redelivered = 43 }, handled.Counts);
        Assert.Equal(new(4.3, 43, 430), handled.HandledRate);
        Assert.Equal(handled.HandledRate, handled.FailedRate);
        Assert.Equal(43, handled.Handling.Count);
        Assert.Equal(43, handled.Waiting.Count);
        var published = Assert.Single(both.Publishing, static stats => stats.Type == "t1");
        Assert.Equal((43, 43, 43, 43, 43), (published.Stored, published.Duplicate, published.Unroutable, published.Suppressed, published.Failed));
        Assert.Equal(215, published.Published);
        Assert.Equal(new(4.3, 43, 430), published.StoredRate);
        Assert.Equal(Json(both), Json(StatsSnapshot.Merge([other, one])));
        Assert.Equal(Json(one), Json(StatsSnapshot.Merge([one])));
        Assert.Empty(StatsSnapshot.Merge([]).Handling);
    }

    [Fact]
    public void Every_count_is_added()
    {
        // A count that somebody adds and forgets to merge is 1 here.
        var all = JsonSerializer.Deserialize<StatsSnapshot>(
            """
            {"handling":[{"counts":{"acked":1,"retriedByChoice":1,"retriedByException":1,"deadLetteredByChoice":1,"deadLetteredByException":1,"undeliverable":1,
              "discarded":1,"expired":1,"stoppedQueue":1,"failed":1,"lost":1,"cutOff":1,"redelivered":1,"inFlight":1}}]}
            """, StatsJson.Default.StatsSnapshot)!;

        var twice = StatsSnapshot.Merge([all, all]).Handled.Counts;

        Assert.Equal(HandlingCounts.Add(all.Handled.Counts, all.Handled.Counts), twice);
        Assert.Equal((18, 4, 6), (twice.Handled, twice.Retried, twice.DeadLettered));
        var properties = typeof(HandlingCounts).GetProperties().Where(static property => property.CanWrite).ToList();
        Assert.Equal(14, properties.Count);
        Assert.All(properties, property => Assert.Equal(2L, property.GetValue(twice)));
    }

    [Fact]
    public void It_is_grouped_by_queue_consumer_and_type()
    {
        var snapshot = new StatsSnapshot
        {
            Handling =
            [
                new() { Queue = "q1", Consumer = "c", Type = "t", Counts = new() { Acked = 1 } },
                new() { Queue = "q1", Consumer = "d", Type = "u", Counts = new() { Acked = 10 } },
                new() { Queue = "q1", Counts = new() { Undeliverable = 5 } },
                new() { Queue = "q2", Consumer = "c", Type = "t", Counts = new() { Acked = 100 } },
            ],
            Publishing = [new() { Type = "t", Stored = 2 }, new() { Stored = 3 }],
        };

        Assert.Equal((111, 5), (snapshot.Handled.Counts.Acked, snapshot.Handled.Counts.Undeliverable));
        Assert.Equal(["q1", "q2"], snapshot.ByQueue().Keys);
        Assert.Equal((11, 5), (snapshot.ByQueue()["q1"].Counts.Acked, snapshot.ByQueue()["q1"].Counts.Undeliverable));
        Assert.Equal(["c", "d"], snapshot.ByConsumer().Keys);
        Assert.Equal(101, snapshot.ByConsumer()["c"].Counts.Acked);
        Assert.Equal(["t", "u"], snapshot.ByType().Keys);
        Assert.Equal((101, null, null, "t"), (snapshot.ByType()["t"].Counts.Acked, snapshot.ByType()["t"].Queue, snapshot.ByType()["t"].Consumer, snapshot.ByType()["t"].Type));
        Assert.Equal(5, snapshot.Published.Stored);
    }

    [Fact]
    public void The_slowest_runs_of_all_are_kept()
    {
        var runs = Enumerable.Range(1, 30).Select(static i => new SlowRun("q", "c", $"{i}", 1, HandlingOutcome.Acked, TimeSpan.FromSeconds(i), default)).ToList();
        var slowest = StatsSnapshot.Merge(runs.Select(static run => new StatsSnapshot { Slowest = [run] })).Slowest;

        Assert.Equal(Enumerable.Range(11, 20).Reverse().Select(static i => $"{i}"), slowest.Select(static run => run.MessageId));
    }

    [Fact]
    public void It_comes_back_from_the_store_as_it_was()
    {
        var snapshot = Of("a", 12) with { Slowest = [new("q", "c", "id", 2, HandlingOutcome.StoppedQueue, TimeSpan.FromSeconds(3), DateTimeOffset.UnixEpoch)] };

        var back = StatsValue.Read(StatsValue.Write(snapshot, StateKey.MaxValueBytes))!;

        Assert.Equal(Json(snapshot), Json(back));
        Assert.Equal(snapshot.Handling[1].Handling.Percentile(99), back.Handling[1].Handling.Percentile(99));
    }

    [Fact]
    public void A_process_with_twenty_consumers_takes_sixteen_kibibytes_at_most()
    {
        var value = StatsValue.Write(Busy(20), StateKey.MaxValueBytes)!;

        TestContext.Current.TestOutputHelper!.WriteLine($"{value.Length} bytes");
        Assert.True(value.Length <= 16 * 1024, $"{value.Length} bytes");
        Assert.Equal(Durations.None.Error, StatsValue.Read(value)!.Handling[0].Handling.Error);
    }

    [Fact]
    public void What_is_too_much_loses_precision_first_then_the_times_and_then_is_not_written()
    {
        var snapshot = Busy(200);
        var full = StatsValue.Write(snapshot, StateKey.MaxValueBytes)!;

        Assert.True(full.Length <= StateKey.MaxValueBytes);
        var coarse = StatsValue.Read(full)!;
        Assert.True(coarse.Handling[0].Handling.Error > Durations.None.Error);
        Assert.Equal(snapshot.Handled.Handling.Count, coarse.Handled.Handling.Count);
        Assert.Equal(snapshot.Handled.Counts, coarse.Handled.Counts);

        var bare = StatsValue.Read(StatsValue.Write(snapshot, full.Length / 4)!)!;
        Assert.Equal((0, snapshot.Handled.Counts), (bare.Handled.Handling.Count, bare.Handled.Counts));
        Assert.Null(StatsValue.Write(snapshot, 100));
    }

    [Fact]
    public void What_cannot_be_read_is_none()
    {
        Assert.Null(StatsValue.Read([]));
        Assert.Null(StatsValue.Read([1, 2, 3]));
        Assert.Null(StatsValue.Read(Compressed("{\"handling\":5}")));
        Assert.Null(StatsValue.Read(Compressed("null")));
        Assert.Null(StatsValue.Read(Compressed(new string(' ', 8 * 1024 * 1024) + "{}")));
        Assert.NotNull(StatsValue.Read(Compressed("{\"of another version\":5}")));
    }

    private static byte[] Compressed(string json)
    {
        var value = new byte[System.IO.Compression.BrotliEncoder.GetMaxCompressedLength(json.Length)];
        Assert.True(System.IO.Compression.BrotliEncoder.TryCompress(System.Text.Encoding.UTF8.GetBytes(json), value, out var length));
        return value[..length];
    }

    private static StatsSnapshot Of(string process, int n) => new()
    {
        At = DateTimeOffset.UnixEpoch.AddSeconds(n),
        Processes = [new(process, "shop", "host", 1, DateTimeOffset.UnixEpoch, "1.2.3")],
        Handling =
        [
            new() { Queue = "q", Consumer = process },
            new()
            {
                Queue = "q",
                Consumer = "c1",
                Type = "t1",
                Counts = new() { Acked = n, RetriedByException = 2 * n, Failed = 2 * n, InFlight = 1, Redelivered = n },
                HandledRate = new(n / 10d, n, n * 10),
                FailedRate = new(n / 10d, n, n * 10),
                RetriedRate = new(1, 1, 1),
                DeadLetteredRate = new(2, 2, 2),
                Handling = Recorded(n, 1_000_000),
                Waiting = Recorded(n, 50_000_000),
            },
        ],
        Publishing = [new() { Type = "t1", Stored = n, Duplicate = n, Unroutable = n, Suppressed = n, Failed = n, StoredRate = new(n / 10d, n, n * 10) }],
    };

    /// <summary>Five minutes of 100 messages a second for each consumer.</summary>
    private static StatsSnapshot Busy(int consumers) => new()
    {
        At = DateTimeOffset.UnixEpoch,
        Processes = [new(RandomNumberGenerator.GetHexString(16), "shop", "host", 1, DateTimeOffset.UnixEpoch, "1.2.3")],
        Handling = [.. Enumerable.Range(0, consumers).Select(static i => new HandlingStats
        {
            Queue = $"orders-{i}",
            Consumer = $"OrderPlacedConsumer{i}",
            Type = $"orders.placed-{i}",
            Counts = new() { Acked = 123_456_789 + i, RetriedByException = 12_345 + i, Failed = 12_345, DeadLetteredByException = 17 * i, InFlight = i, Redelivered = 77 },
            HandledRate = new(512.2 + i, 498.4333333333 - i, 501.3866666666 + i),
            FailedRate = new(0.2, 0.0333333 * i, 0.0066666),
            Handling = Recorded(30_000, 3_000_000 + (i * 100_000)),
            Waiting = Recorded(30_000, 8_000_000 + (i * 1_000_000)),
        })],
        Publishing = [.. Enumerable.Range(0, consumers).Select(static i => new PublishStats { Type = $"orders.placed-{i}", Stored = 123_456 * i, StoredRate = new(i / 7d, i / 3d, i) })],
        Slowest = [.. Enumerable.Range(0, 20).Select(static i => new SlowRun(
            "orders-1", "OrderPlacedConsumer1", Guid.NewGuid().ToString(), 1, HandlingOutcome.Acked, TimeSpan.FromSeconds(i / 7d), DateTimeOffset.UnixEpoch.AddSeconds(i * 3.3)))],
    };

    /// <summary>Around a median, as handlers are.</summary>
    private static Durations Recorded(int count, double median)
    {
        var recorder = new DurationRecorder();
        var random = new Random(11);
        for (var i = 0; i < count; i++)
        {
            recorder.Record(0, (long)(median * Math.Exp(0.5 * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()))));
        }

        return recorder.Read();
    }

    private static string Json(StatsSnapshot snapshot) => JsonSerializer.Serialize(snapshot, StatsJson.Default.StatsSnapshot);
}
