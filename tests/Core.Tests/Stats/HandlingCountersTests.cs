using Microsoft.Extensions.Time.Testing;
using Postrider.Core.Stats;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Stats;

public sealed class HandlingCountersTests
{
    private static readonly Exception Error = new InvalidOperationException("out of stock");
    private readonly FakeTimeProvider _time = new(new(2030, 1, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly HandlingCounters _counters = new();
    private readonly StatsClock _clock;

    public HandlingCountersTests() => _clock = new(_time);

    public static TheoryData<string, HandlingOutcome, bool> Outcomes => new()
    {
        { "ack", HandlingOutcome.Acked, false },
        { "retry", HandlingOutcome.RetriedByChoice, false },
        { "retry error", HandlingOutcome.RetriedByException, true },
        { "dead", HandlingOutcome.DeadLetteredByChoice, false },
        { "dead, retries used up", HandlingOutcome.DeadLetteredByChoice, false },
        { "dead error", HandlingOutcome.DeadLetteredByException, true },
        { "malformed", HandlingOutcome.DeadLetteredByException, true },
        { "discard", HandlingOutcome.Discarded, false },
        { "discard error", HandlingOutcome.Discarded, true },
        { "expired", HandlingOutcome.Expired, false },
        { "expired, discarded", HandlingOutcome.Expired, false },
        { "stop", HandlingOutcome.StoppedQueue, false },
        { "stop error", HandlingOutcome.StoppedQueue, true },
    };

    [Theory]
    [MemberData(nameof(Outcomes))]
    public void A_run_counts_as_one_outcome_and_as_failed_if_it_threw(string outcome, HandlingOutcome expected, bool failed)
    {
        Run(Of(outcome));

        Assert.Equal(With(expected) with { Failed = failed ? 1 : 0 }, _counters.Read());
        Assert.Equal(1, _counters.Read().Handled);
        Assert.Equal(1, _counters.ReadHandling().Count);
    }

    [Fact]
    public void A_dead_letter_without_a_run_is_undeliverable()
    {
        _counters.EndUnhandled(new TestDelivery(), Of("malformed"), false);
        _counters.EndUnhandled(new TestDelivery(), Outcome.DeadLetterBecause(DeadLetterReason.UnknownType, "x"), false);
        _counters.EndUnhandled(new TestDelivery(), Of("expired"), false);

        var counts = _counters.Read();
        Assert.Equal(new() { Undeliverable = 2, Expired = 1, Failed = 1 }, counts);
        Assert.Equal((3, 2), (counts.Handled, counts.DeadLettered));
        Assert.Equal(0, _counters.ReadHandling().Count);
    }

    [Fact]
    public void What_was_cut_off_or_taken_away_has_no_outcome()
    {
        Run(null);
        Run(null, isLost: true);
        _counters.SettlementLost();

        Assert.Equal(new() { CutOff = 1, Lost = 2 }, _counters.Read());
        Assert.Equal(0, _counters.ReadHandling().Count);
    }

    [Fact]
    public void What_is_being_handled_is_in_flight()
    {
        _counters.Begin();
        _counters.Begin();
        Assert.Equal(2, _counters.Read().InFlight);

        _counters.End(new TestDelivery(), 1, Outcome.Ack, false, _clock, 0, 0);
        Assert.Equal(1, _counters.Read().InFlight);
    }

    [Fact]
    public void Redeliveries_are_counted()
    {
        Run(Outcome.Ack, new TestDelivery(redeliveries: 1));
        _counters.EndUnhandled(new TestDelivery(redeliveries: 3), Of("malformed"), false);

        Assert.Equal(2, _counters.Read().Redelivered);
    }

    [Fact]
    public void Handling_is_from_begin_to_end_and_waiting_from_sent_to_begin()
    {
        var sent = _time.GetUtcNow();
        _time.Advance(TimeSpan.FromSeconds(40));

        Run(Outcome.Ack, new TestDelivery(sent), takes: TimeSpan.FromSeconds(2));

        Near(TimeSpan.FromSeconds(2), _counters.ReadHandling().Max);
        Near(TimeSpan.FromSeconds(40), _counters.ReadWaiting().Max);
    }

    [Fact]
    public void Only_first_attempts_that_tell_when_they_were_sent_have_waited()
    {
        Run(Outcome.Ack, new TestDelivery(_time.GetUtcNow()), attempt: 2);
        Run(Outcome.Ack, new TestDelivery(_time.GetUtcNow(), redeliveries: 1));
        Run(Outcome.Ack, new TestDelivery());
        Assert.Equal(0, _counters.ReadWaiting().Count);

        // By a clock that is ahead of ours.
        Run(Outcome.Ack, new TestDelivery(_time.GetUtcNow().AddMinutes(1)));
        Assert.Equal((1, TimeSpan.Zero), (_counters.ReadWaiting().Count, _counters.ReadWaiting().Max));
    }

    [Fact]
    public void Waiting_is_right_however_long_the_host_runs_and_when_its_clock_is_set()
    {
        foreach (var later in (double[])[0.4, 0.4, 0.4, 3600, 0.1])
        {
            _time.Advance(TimeSpan.FromSeconds(later));
            var start = _clock.Now();
            Assert.Equal(5_000_000_000, _clock.NanosecondsSince(_time.GetUtcNow().AddSeconds(-5), start));
        }

        Assert.True(_clock.NanosecondsSince(DateTimeOffset.MinValue, _clock.Now()) > 0);
        Assert.True(_clock.NanosecondsSince(DateTimeOffset.MaxValue, _clock.Now()) < 0);
    }

    [Fact]
    public async Task Nothing_is_lost_when_many_threads_count_at_once()
    {
        const int threads = 8, each = 20_000;
        await Task.WhenAll(Enumerable.Range(0, threads).Select(_ => Task.Run(() =>
        {
            var delivery = new TestDelivery(_time.GetUtcNow());
            for (var i = 0; i < each; i++)
            {
                _counters.Begin();
                _counters.End(delivery, 1, i % 2 == 0 ? Outcome.Ack : Of("retry error"), false, _clock, 0, i);
            }
        })));

        Assert.Equal(new() { Acked = threads * each / 2, RetriedByException = threads * each / 2, Failed = threads * each / 2 }, _counters.Read());
        Assert.Equal((threads * each, threads * each), (_counters.ReadHandling().Count, _counters.ReadWaiting().Count));
    }

    [Fact]
    public async Task Nothing_is_lost_when_threads_of_one_processor_take_turns()
    {
        // A thread that is preempted between reading and writing: here they all have the same copy of the counters.
        const int threads = 4, each = 200_000;
        var (cells, durations) = (new Cells(1), new DurationRecorder());
        await Task.WhenAll(Enumerable.Range(0, threads).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < each; i++)
            {
                cells.Add(0, 0);
                durations.Record(0, 1);
            }
        })));

        Assert.Equal((threads * each, threads * each), (cells.Read(0), durations.Read().Count));
    }

    [Fact]
    public void The_slowest_runs_are_kept_for_two_periods()
    {
        for (var i = 1; i <= 100; i++)
        {
            Run(Outcome.Ack, new TestDelivery(id: $"m{i * 37 % 101}"), takes: TimeSpan.FromMilliseconds(i * 37 % 101));
        }

        string[] slowest = [.. Enumerable.Range(91, 10).Select(static i => $"m{i}")];
        Assert.Equal(slowest, Kept());

        _counters.Slowest.Turn();
        Run(Of("dead error"), new TestDelivery(id: "quick"), attempt: 3, takes: TimeSpan.FromMilliseconds(1));
        Assert.Equal([.. slowest, "quick"], Kept());
        var quick = _counters.Slowest.Read().Single(static run => run.MessageId == "quick");
        Assert.Equal((3, HandlingOutcome.DeadLetteredByException, 1_000_000), (quick.Attempt, quick.Outcome, quick.Nanoseconds));

        _counters.Slowest.Turn();
        Assert.Equal(["quick"], Kept());
        _counters.Slowest.Turn();
        Assert.Empty(Kept());
    }

    private static HandlingCounts With(HandlingOutcome outcome) => outcome switch
    {
        HandlingOutcome.Acked => new() { Acked = 1 },
        HandlingOutcome.RetriedByChoice => new() { RetriedByChoice = 1 },
        HandlingOutcome.RetriedByException => new() { RetriedByException = 1 },
        HandlingOutcome.DeadLetteredByChoice => new() { DeadLetteredByChoice = 1 },
        HandlingOutcome.DeadLetteredByException => new() { DeadLetteredByException = 1 },
        HandlingOutcome.Discarded => new() { Discarded = 1 },
        HandlingOutcome.Expired => new() { Expired = 1 },
        _ => new() { StoppedQueue = 1 },
    };

    private static Outcome Of(string outcome) => outcome switch
    {
        "ack" => Outcome.Ack,
        "retry" => Outcome.Retry(TimeSpan.Zero),
        "retry error" => Outcome.RetryAfter(TimeSpan.Zero, Error),
        "dead" => Outcome.DeadLetter("no"),
        "dead, retries used up" => Outcome.DeadLetterBecause(DeadLetterReason.Exhausted, "x"),
        "dead error" => Outcome.DeadLetterBecause(DeadLetterReason.Exhausted, "x", Error),
        "malformed" => Outcome.DeadLetterBecause(DeadLetterReason.Malformed, "x", Error),
        "discard" => Outcome.DiscardBecause(DeadLetterReason.Exhausted, "x"),
        "discard error" => Outcome.DiscardBecause(DeadLetterReason.Exhausted, "x", Error),
        "expired" => Outcome.DeadLetterBecause(DeadLetterReason.Expired, "x"),
        "expired, discarded" => Outcome.DiscardBecause(DeadLetterReason.Expired, "x"),
        "stop" => Outcome.StopQueue("x", null),
        _ => Outcome.StopQueue("x", Error),
    };

    private static void Near(TimeSpan expected, TimeSpan actual) => Assert.InRange(actual / expected, 0.99, 1.01);

    private void Run(in Outcome? outcome, TestDelivery? delivery = null, int attempt = 1, TimeSpan takes = default, bool isLost = false)
    {
        _counters.Begin();
        var started = _clock.Now();
        _counters.End(delivery ?? new TestDelivery(), attempt, outcome, isLost, _clock, started, started + (long)(takes.TotalSeconds * _time.TimestampFrequency));
    }

    private IEnumerable<string> Kept() => _counters.Slowest.Read().OrderBy(static run => run.MessageId.Length).ThenBy(static run => run.MessageId).Select(static run => run.MessageId)
        .OrderBy(static id => id == "quick" ? 1000 : int.Parse(id[1..], System.Globalization.CultureInfo.InvariantCulture));

    private sealed class TestDelivery(DateTimeOffset? sent = null, int redeliveries = 0, string id = "id")
        : Delivery("q", new() { Id = id, SentAt = sent }, redeliveries);
}
