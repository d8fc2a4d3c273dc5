using System.Collections.Concurrent;
using Postrider.Core.Consuming;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Consuming;

/// <summary>What becomes of a settlement that the broker takes, refuses, or cannot be told.</summary>
public sealed class SettlementLoopTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly ConsumingParts _parts = new();
    private readonly ConcurrentQueue<InFlight> _freed = new();
    private readonly CancellationTokenSource _abandon = new();
    private readonly SettlementLoop _settling;
    private Task _running = Task.CompletedTask;

    public SettlementLoopTests() => _settling = _parts.Settling(_freed.Enqueue);

    private ScriptedReceiver Receiver => _parts.Receiver;

    public async ValueTask DisposeAsync()
    {
        await _abandon.CancelAsync();
        await _running.WaitAsync(Patience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _abandon.Dispose();
        await _parts.DisposeAsync();
    }

    [Fact]
    public async Task What_is_to_be_settled_is_out_of_its_handlers_hands_and_its_place_free_once_it_is()
    {
        var slot = _parts.Fill(new ScriptedDelivery("1"));
        _settling.Post(slot, Settlement.Retry(slot.Delivery!, TimeSpan.Zero));
        Assert.False(slot.LoseLease(slot.Delivery!));
        Assert.Empty(_freed);

        Run();
        _settling.Complete();
        await _running.WaitAsync(Patience);

        Assert.Same(slot, Assert.Single(_freed));
        Assert.Equal(1, _parts.Counted("postrider.retries"));
        Assert.Empty(_parts.Log.Lines);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_the_broker_cannot_be_told_keeps_its_place_and_is_tried_again_after_a_pause(bool throws)
    {
        var isAway = true;
        if (throws)
        {
            Receiver.BeforeSettle = _ => isAway ? throw new IOException("The broker is away.") : ValueTask.CompletedTask;
        }
        else
        {
            Receiver.OnSettle = _ => isAway ? SettleResult.Failed(new IOException("The broker is away.")) : SettleResult.Settled;
        }

        var (one, two) = (Post("1"), Post("2"));
        Run();

        await Eventually.IsAsync(() => _parts.Logged(25).Length == 1 && !_parts.Reported.IsEmpty);
        Assert.Matches(@"^2 settlements of 'orders' could not be told to the broker, trying again in 00:00:00\.\d+: The broker is away\.$", _parts.Logged(25)[0]);
        Assert.True(_parts.Reported.TryPeek(out var report));
        Assert.Equal(("settle", "orders", "The broker is away."), (report.During, report.Queue, report.Exception.Message));
        Assert.Empty(_freed);
        Assert.Equal(0, _parts.Counted("postrider.retries"));

        isAway = false;
        _settling.Complete();
        await _parts.EndAsync(_running);

        Assert.Equal([one, two], _freed);
        Assert.Equal(2, _parts.Counted("postrider.retries"));
        Assert.Equal(throws ? 2 : 4, Receiver.Settled.Count);
        Assert.Single(_parts.Logged(25));
    }

    [Fact]
    public async Task While_one_cannot_be_told_the_others_are_settled()
    {
        Receiver.OnSettle = static settlement =>
            settlement.Delivery.Envelope.Id == "stuck" ? SettleResult.Failed(new IOException("Its dead-letter queue is away.")) : SettleResult.Settled;
        Post("stuck");
        Run();
        await Eventually.IsAsync(() => _parts.Logged(25).Length == 1);

        // The clock stands still, so the one that failed is not due.
        var (two, three) = (Post("2"), Post("3"));

        await Eventually.IsAsync(() => _freed.Count == 2);
        Assert.Equal([two, three], _freed);
        Assert.Single(_parts.Logged(25));
    }

    [Fact]
    public async Task A_failure_that_tells_no_reason_is_logged_and_not_reported()
    {
        Receiver.OnSettle = static _ => new(SettleStatus.Failed);
        Post("1");
        Run();

        await Eventually.IsAsync(() => _parts.Logged(25).Length == 1);

        Assert.EndsWith(": unknown", _parts.Logged(25)[0], StringComparison.Ordinal);
        await _parts.Reports.DisposeAsync();
        Assert.Empty(_parts.Reported);
    }

    [Fact]
    public async Task The_settlement_of_a_lost_lease_is_told_and_frees_its_place()
    {
        Receiver.OnSettle = static settlement => settlement.Delivery.Envelope.Id == "lost" ? SettleResult.Lost : SettleResult.Settled;
        var all = new[] { Post("1"), Post("lost"), Post("3") };
        Run();
        _settling.Complete();
        await _running.WaitAsync(Patience);

        Assert.Equal("The settlement of the message lost of 'orders' had no effect: its lease was over. It is handled again.", Assert.Single(_parts.Logged(24)));
        Assert.Equal((1, 2), (_parts.Counted("postrider.settlements.lost"), _parts.Counted("postrider.retries")));
        Assert.Equal(all, _freed);
    }

    [Fact]
    public async Task It_can_be_abandoned_while_something_waits_to_be_tried_again()
    {
        Receiver.OnSettle = static _ => SettleResult.Failed(new IOException("away"));
        Post("1");
        Run();
        await Eventually.IsAsync(() => _parts.Logged(25).Length == 1);

        await _abandon.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _running.WaitAsync(Patience));
        Assert.Empty(_freed);
    }

    [Fact]
    public async Task A_callback_that_throws_is_told_and_frees_its_place_all_the_same()
    {
        _parts.Queue = ConsumingParts.QueueOf(new(
            "orders:tests.order", static _ => new(Outcome.Ack), RetryPolicy.None, OnFailed: static (_, _) => throw new FormatException("callback")));
        var slot = _parts.Fill(new ScriptedDelivery("7"));
        _settling.Post(slot, _parts.Handler().GiveUp(slot));
        Run();

        await Eventually.IsAsync(() => !_freed.IsEmpty && !_parts.Reported.IsEmpty);

        Assert.Equal("OnFailed threw for the message 7 of 'orders', which is a dead letter all the same.", Assert.Single(_parts.Logged(31)));
        Assert.True(_parts.Reported.TryPeek(out var report));
        Assert.Equal(("on-failed", "callback"), (report.During, report.Exception.Message));
        Assert.Equal((1, slot), (_parts.Counted("postrider.dead_lettered"), Assert.Single(_freed)));
    }

    private InFlight Post(string id)
    {
        var slot = _parts.Fill(new ScriptedDelivery(id));
        _settling.Post(slot, Settlement.Retry(slot.Delivery!, TimeSpan.Zero));
        return slot;
    }

    private void Run() => _running = _settling.RunAsync(_abandon.Token);
}
