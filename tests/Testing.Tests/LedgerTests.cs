using Postrider.Core.Transport;
using Kind = Postrider.Testing.LedgerEventKind;

namespace Postrider.Testing.Tests;

/// <summary>Each defect that the ledger derives: once present, once absent.</summary>
public sealed class LedgerTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly Ledger ledger = new(process: "test");
    private int milliseconds;

    [Fact]
    public void A_clean_run_has_no_defect()
    {
        Publish("a");
        Take("a", 1);
        Retry("a", 1);
        Take("a", 2);
        Ack("a", 2);

        var report = ledger.Check();

        Assert.True(report.IsClean, report.ToString());
        Assert.Equal((1, 1, 1), (report.Published, report.Confirmed, report.Handled));
        Assert.Equal(0, report.Ghosts.Count);
    }

    [Fact]
    public void Confirmed_and_never_seen_is_lost()
    {
        Publish("a");
        Publish("b");
        Ack("b", 1);

        Assert.Equal(["a"], ledger.Check().Lost.Ids);
    }

    [Fact]
    public void Unconfirmed_and_never_seen_is_not_lost()
    {
        Happens(new(Kind.Publishing, "a"));
        Happens(new(Kind.Unconfirmed, "a"));

        Assert.Equal(0, ledger.Check().Lost.Count);
    }

    [Theory]
    [InlineData("q", 1)]
    [InlineData("q.dlq", 0)]
    public void A_dead_letter_must_be_settled_or_found(string foundIn, int lost)
    {
        Publish("a", sentTo: "q");
        Take("a", 1);
        Happens(new(Kind.Settling, "a") { Queue = "q", HandOut = 1, Settlement = SettlementKind.DeadLetter });
        Happens(new(Kind.SettlementFailed, "a") { Queue = "q", HandOut = 1, Settlement = SettlementKind.DeadLetter });
        if (lost == 0)
        {
            ledger.Found("a", foundIn);
        }

        Assert.Equal(lost, ledger.Check().Lost.Count);
    }

    [Fact]
    public void A_settled_dead_letter_is_not_lost()
    {
        Publish("a", sentTo: "q");
        Take("a", 1);
        Happens(new(Kind.Settled, "a") { Queue = "q", HandOut = 1, Settlement = SettlementKind.DeadLetter });

        Assert.Equal(0, ledger.Check().Lost.Count);
    }

    [Fact]
    public void Each_of_the_queues_must_get_its_copy()
    {
        Publish("a");
        Ack("a", 1, queue: "one");

        Assert.Equal(0, ledger.Check(new() { Queues = ["one"] }).Lost.Count);
        Assert.Equal(1, ledger.Check(new() { Queues = ["one", "two"] }).Lost.Count);
    }

    [Fact]
    public void A_message_sent_to_one_queue_that_came_to_another_is_lost()
    {
        Publish("a", sentTo: "one");
        Ack("a", 1, queue: "two");

        Assert.Equal(1, ledger.Check().Lost.Count);
    }

    [Fact]
    public void Handled_twice_in_a_queue_is_duplicated()
    {
        Publish("a");
        ledger.Handled("a", "q");
        ledger.Handled("a", "q");

        Assert.Equal(["a"], ledger.Check().Duplicated.Ids);
    }

    [Fact]
    public void Handled_once_in_two_queues_is_not_duplicated()
    {
        Publish("a");
        ledger.Handled("a", "q");
        ledger.Handled("a", "r");

        Assert.Equal(0, ledger.Check().Duplicated.Count);
    }

    [Fact]
    public void An_ack_told_twice_is_one_and_acks_of_two_hand_outs_are_two()
    {
        Publish("a");
        Ack("a", 1, handOut: 1);
        Ack("a", 1, handOut: 1);
        Assert.Equal(0, ledger.Check().Duplicated.Count);

        Ack("a", 1, handOut: 2);
        Assert.Equal(1, ledger.Check().Duplicated.Count);
    }

    [Fact]
    public void Handled_without_confirmation_is_a_ghost_and_allowed()
    {
        Happens(new(Kind.Publishing, "a"));
        Happens(new(Kind.Unconfirmed, "a"));
        Ack("a", 1);

        var report = ledger.Check();

        Assert.Equal(["a"], report.Ghosts.Ids);
        Assert.True(report.IsClean);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 0)]
    [InlineData(3, 1)]
    public void After_one_retry_the_attempt_is_two(int attempt, int wrong)
    {
        Publish("a");
        Take("a", 1);
        Retry("a", 1);
        Take("a", attempt);

        Assert.Equal(wrong, ledger.Check().WrongAttempt.Count);
    }

    [Fact]
    public void A_redelivery_has_the_same_attempt()
    {
        Publish("a");
        Take("a", 1);
        Take("a", 1);
        Assert.Equal(0, ledger.Check().WrongAttempt.Count);

        Take("a", 2);
        Assert.Equal(1, ledger.Check().WrongAttempt.Count);
    }

    [Fact]
    public void A_lost_retry_counts_no_attempt_and_a_failed_one_may()
    {
        Publish("a");
        Retry("a", 1, Kind.SettlementFailed);
        Take("a", 1);
        Take("a", 2);
        Assert.Equal(0, ledger.Check().WrongAttempt.Count);

        Publish("b");
        Retry("b", 1, Kind.SettlementLost);
        Take("b", 2);
        Assert.Equal(["b"], ledger.Check().WrongAttempt.Ids);
    }

    [Theory]
    [InlineData(99, 1)]
    [InlineData(100, 0)]
    public void A_delayed_message_must_not_come_early(int after, int early)
    {
        Happens(new(Kind.Publishing, "a") { Delay = TimeSpan.FromMilliseconds(100) });
        milliseconds += after - 1;
        Take("a", 1);

        Assert.Equal(early, ledger.Check().Early.Count);
        Assert.Equal(0, ledger.Check(new() { EarlyTolerance = TimeSpan.FromMilliseconds(1) }).Early.Count);
    }

    [Theory]
    [InlineData(98, 1)]
    [InlineData(100, 0)]
    public void A_delayed_retry_must_not_come_early(int after, int early)
    {
        Publish("a");
        Retry("a", 1, delay: TimeSpan.FromMilliseconds(100));
        milliseconds += after - 2;
        Take("a", 2);

        Assert.Equal(early, ledger.Check().Early.Count);
    }

    [Theory]
    [InlineData("k", "k", 1)]
    [InlineData("k", "l", 0)]
    [InlineData(null, null, 0)]
    public void Overtaken_by_the_next_of_its_key_is_out_of_order(string? first, string? second, int inversions)
    {
        Publish("a", key: first);
        Publish("b", key: second);
        Ack("b", 1);
        Ack("a", 1);

        Assert.Equal(inversions, ledger.Check().OutOfOrder.Count);
    }

    [Fact]
    public void Overlapping_publishes_have_no_order()
    {
        Happens(new(Kind.Publishing, "a") { Key = "k" });
        Happens(new(Kind.Publishing, "b") { Key = "k" });
        Happens(new(Kind.Confirmed, "a"));
        Happens(new(Kind.Confirmed, "b"));
        Ack("b", 1);
        Ack("a", 1);

        Assert.Equal(0, ledger.Check().OutOfOrder.Count);
    }

    [Fact]
    public void Only_the_first_twenty_ids_are_kept()
    {
        for (var i = 0; i < 30; i++)
        {
            Publish($"m{i:D2}");
        }

        var lost = ledger.Check().Lost;

        Assert.Equal((30, 20), (lost.Count, lost.Ids.Count));
        Assert.Equal("m00", lost.Ids[0]);
        Assert.Contains("lost: 30 (m00, ", ledger.Check().ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_timeline_of_a_message_is_readable()
    {
        Publish("a");
        Take("a", 1);
        Ack("a", 1);

        var lines = ledger.Timeline("a").Split('\n');

        Assert.Equal("message a", lines[0].TrimEnd());
        Assert.Equal(5, lines.Length);
        Assert.Contains("Settling Ack in q attempt 1", lines[^1], StringComparison.Ordinal);
        Assert.Equal("message b: nothing is known", ledger.Timeline("b"));
    }

    private void Publish(string id, string? key = null, string? sentTo = null)
    {
        Happens(new(Kind.Publishing, id) { Key = key, Queue = sentTo });
        Happens(new(Kind.Confirmed, id));
    }

    private void Take(string id, int attempt) => Happens(new(Kind.HandedOut, id) { Queue = "q", Attempt = attempt, HandOut = 1 });

    private void Ack(string id, int attempt, string queue = "q", long handOut = 1) =>
        Happens(new(Kind.Settling, id) { Queue = queue, Attempt = attempt, HandOut = handOut, Settlement = SettlementKind.Ack });

    private void Retry(string id, int attempt, Kind result = Kind.Settled, TimeSpan delay = default)
    {
        var told = new LedgerEvent(Kind.Settling, id)
        {
            Queue = "q",
            Attempt = attempt,
            HandOut = 7,
            Settlement = SettlementKind.Retry,
            Delay = delay,
        };
        Happens(told);
        Happens(told with { Kind = result });
    }

    private void Happens(LedgerEvent happened) => ledger.Record(happened with { At = Start.AddMilliseconds(milliseconds++) });
}
