using System.Threading.Channels;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.Consuming;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Consuming;

/// <summary>Who waits behind whom, what is held until it is tried again, and what is handed back at the end. See also <see cref="OrderTests"/>.</summary>
public sealed class KeyedLanesTests
{
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(3);

    /// <summary>One a second, and the millisecond that timers may be early.</summary>
    private static readonly TimeSpan OneToken = TimeSpan.FromMilliseconds(1001);

    private readonly FakeTimeProvider _time = new();
    private readonly Channel<InFlight> _work = Channel.CreateUnbounded<InFlight>();
    private readonly Watch _watch = new();
    private readonly KeyedLanes _lanes;

    public KeyedLanesTests() => _lanes = Lanes(MessageOrder.ByKeyWithRetries);

    [Fact]
    public void Those_of_a_key_come_to_work_one_after_another_and_an_empty_lane_is_gone()
    {
        var (one, two, three) = (Slot("1"), Slot("2"), Slot("3"));
        Assert.True(_lanes.Enter(one, "a"));
        Assert.False(_lanes.Enter(two, "a"));
        Assert.False(_lanes.Enter(three, "a"));
        Assert.True(_lanes.Enter(Slot("4"), "b"));
        Assert.True(_lanes.Enter(Slot("5"), null));
        Assert.Empty(AtWork());
        Assert.Equal(2, _lanes.Waiting);

        Assert.Empty(_lanes.Leave("a", isEnd: false));
        Assert.Equal([two], AtWork());
        Assert.Equal(1, _lanes.Waiting);
        Assert.Empty(_lanes.Leave("a", isEnd: false));
        Assert.Equal([three], AtWork());
        Assert.Empty(_lanes.Leave("a", isEnd: false));
        Assert.Empty(_lanes.Leave("b", isEnd: false));
        Assert.Empty(_lanes.Leave(null, isEnd: false));

        Assert.Empty(AtWork());
        Assert.True(_lanes.Enter(Slot("6"), "a"));
        Assert.True(_lanes.Enter(Slot("7"), "b"));
        Assert.Equal(["waits 2", "waits 3", "goes 2", "goes 3"], _watch.Told);
    }

    [Fact]
    public void A_retry_keeps_its_lane_until_its_delay_is_over()
    {
        var (one, two) = (Slot("1"), Slot("2"));
        _lanes.Enter(one, "a");
        _lanes.Enter(two, "a");
        var retry = Settlement.Retry(one.Delivery!, Delay);

        Assert.True(_lanes.Hold(one, ref retry));
        _time.Advance(Delay - TimeSpan.FromTicks(1));
        Assert.Empty(AtWork());
        _time.Advance(TimeSpan.FromTicks(1));

        Assert.Equal([one], AtWork());
        Assert.Equal(2, one.Attempt);
        Assert.Equal(["waits 2", "holds 1 00:00:03"], _watch.Told);
        Assert.Empty(_lanes.Close());
    }

    [Fact]
    public void An_immediate_retry_comes_to_work_at_once()
    {
        var one = Slot("1");
        _lanes.Enter(one, "a");
        var retry = Settlement.Retry(one.Delivery!, TimeSpan.Zero);

        Assert.True(_lanes.Hold(one, ref retry));

        Assert.Equal([one], AtWork());
        Assert.Equal(["holds 1 00:00:00"], _watch.Told);
        _time.Advance(Delay);
        Assert.Empty(AtWork());
    }

    [Fact]
    public void What_is_done_or_has_no_key_is_not_held()
    {
        var (one, without) = (Slot("1"), Slot("2"));
        _lanes.Enter(one, "a");
        _lanes.Enter(without, null);
        var (done, retry) = (Settlement.Ack(one.Delivery!), Settlement.Retry(without.Delivery!, Delay));

        Assert.False(_lanes.Hold(one, ref done));
        Assert.False(_lanes.Hold(without, ref retry));

        Assert.Equal((SettlementKind.Ack, SettlementKind.Retry), (done.Kind, retry.Kind));
        Assert.Empty(_watch.Told);
    }

    [Fact]
    public void At_the_end_what_is_held_is_handed_back_with_those_behind_it_and_never_comes_to_work()
    {
        var (one, two, three, alone) = (Slot("1"), Slot("2"), Slot("3"), Slot("4"));
        _lanes.Enter(one, "a");
        _lanes.Enter(two, "a");
        _lanes.Enter(three, "a");
        _lanes.Enter(alone, "b");
        Hold(one);
        Hold(alone);

        var left = _lanes.Close();

        Assert.Equal([one, two, three], left.Where(static slot => slot.Key == "a"));
        Assert.Equal([alone], left.Where(static slot => slot.Key == "b"));
        Assert.Empty(_lanes.TakeRest());
        _time.Advance(Delay);
        Assert.Empty(AtWork());
    }

    [Fact]
    public void After_the_end_a_retry_is_handed_back_and_with_it_those_behind_it()
    {
        var (one, two) = (Slot("1"), Slot("2"));
        _lanes.Enter(one, "a");
        _lanes.Enter(two, "a");
        Assert.Empty(_lanes.Close());
        var retry = Settlement.Retry(one.Delivery!, Delay);

        Assert.False(_lanes.Hold(one, ref retry));

        Assert.Equal((SettlementKind.Release, one.Delivery), (retry.Kind, retry.Delivery));
        Assert.Equal([two], _lanes.Leave("a", isEnd: false));
        Assert.Equal(1, one.Attempt);
        _time.Advance(Delay);
        Assert.Empty(AtWork());
    }

    [Fact]
    public void Those_behind_handlers_that_do_not_end_are_handed_back_once()
    {
        var behind = Slot("2");
        _lanes.Enter(Slot("1"), "a");
        _lanes.Enter(behind, "a");
        _lanes.Enter(Slot("3"), "b");

        Assert.Equal([behind], _lanes.TakeRest());

        Assert.Empty(_lanes.Leave("a", isEnd: true));
        Assert.Empty(_lanes.Leave("b", isEnd: true));
    }

    [Fact]
    public void Without_an_order_one_of_a_key_after_another_has_its_token_and_then_the_key_is_free_again()
    {
        var lanes = Lanes(MessageOrder.None, burst: 1);
        var (two, three, four) = (Slot("2"), Slot("3"), Slot("4"));
        Assert.True(lanes.Enter(Slot("1"), "a"));
        Assert.False(lanes.Enter(two, "a"));
        Assert.False(lanes.Enter(three, "a"));
        Assert.True(lanes.Enter(Slot("5"), "b"));
        Assert.Equal(2, lanes.Waiting);

        _time.Advance(OneToken);
        Assert.Equal([two], AtWork());
        _time.Advance(OneToken);
        Assert.Equal([three], AtWork());
        Assert.Equal(0, lanes.Waiting);
        Assert.False(lanes.Enter(four, "a"));
        _time.Advance(OneToken);
        Assert.Equal([four], AtWork());
        _time.Advance(OneToken);

        Assert.True(lanes.Enter(Slot("6"), "a"));
        Assert.Equal(["limits 2", "waits 3", "goes 2", "goes 3", "limits 3", "goes 3", "limits 4", "goes 4"], _watch.Told.Select(static told => told.Split(" 00:")[0]));
    }

    [Fact]
    public void Without_an_order_all_of_a_key_go_that_have_a_token_when_the_first_has()
    {
        var lanes = Lanes(MessageOrder.None, burst: 3);
        var waiting = new List<InFlight>();
        for (var i = 0; i < 6; i++)
        {
            var slot = Slot($"{i}");
            if (!lanes.Enter(slot, "a"))
            {
                waiting.Add(slot);
            }
        }

        Assert.Equal(3, waiting.Count);
        _time.Advance(OneToken * 10);

        Assert.Equal(waiting, AtWork());
        Assert.True(lanes.Enter(Slot("7"), "a"));
    }

    private KeyedLanes Lanes(MessageOrder order, int? burst = null)
    {
        var queue = ConsumingParts.QueueOf(new("orders:tests.order", static _ => new(Outcome.Ack), RetryPolicy.Default));
        return new(
            queue with { Order = order, Lanes = _watch }, _work.Writer, _time,
            burst is { } some ? new(new() { PerSecond = 1, Burst = some }, static () => 1, _time) : null);
    }

    private static InFlight Slot(string id)
    {
        var slot = new InFlight();
        slot.Fill(new ScriptedDelivery(id));
        return slot;
    }

    private void Hold(InFlight slot)
    {
        var retry = Settlement.Retry(slot.Delivery!, Delay);
        Assert.True(_lanes.Hold(slot, ref retry));
    }

    private List<InFlight> AtWork()
    {
        var slots = new List<InFlight>();
        while (_work.Reader.TryRead(out var slot))
        {
            slots.Add(slot);
        }

        return slots;
    }

    private sealed class Watch : ILaneWatch
    {
        public List<string> Told { get; } = [];

        public void Waits(Delivery delivery) => Told.Add($"waits {delivery.Envelope.Id}");

        public void Goes(Delivery delivery) => Told.Add($"goes {delivery.Envelope.Id}");

        public void IsLimited(Delivery delivery, TimeSpan delay) => Told.Add($"limits {delivery.Envelope.Id} {delay}");

        public void IsHeld(Delivery delivery, TimeSpan delay) => Told.Add($"holds {delivery.Envelope.Id} {delay}");
    }
}
