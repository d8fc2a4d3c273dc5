using Postrider.Core.Consuming;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Consuming;

/// <summary>One place for delivery after delivery: nothing of the one before sticks to the next, and only the delivery in it can be cancelled.</summary>
public sealed class InFlightTests : IDisposable
{
    private readonly InFlight _slot = new();

    public void Dispose() => _slot.Dispose();

    [Fact]
    public void A_place_that_nothing_was_cancelled_in_keeps_its_token()
    {
        _slot.Fill(new ScriptedDelivery("1"));
        var token = _slot.CancellationToken;
        _slot.Finish();
        _slot.Clear();
        _slot.Fill(new ScriptedDelivery("2"));

        Assert.Equal(token, _slot.CancellationToken);
    }

    [Fact]
    public void The_delivery_after_one_that_was_cancelled_begins_clean()
    {
        var first = new ScriptedDelivery("1");
        _slot.Fill(first);
        Assert.True(_slot.LoseLease(first));
        Assert.True(_slot.CancellationToken.IsCancellationRequested);
        _slot.Clear();
        _slot.Fill(new ScriptedDelivery("2"));

        Assert.False(_slot.CancellationToken.IsCancellationRequested);
        Assert.Equal((false, CancellationCause.None), (_slot.LeaseLost, _slot.Context.CancelledBy));
        var token = _slot.CancellationToken;
        _slot.Clear();
        _slot.Fill(new ScriptedDelivery("3"));
        Assert.Equal(token, _slot.CancellationToken);
    }

    [Fact]
    public void The_first_cause_of_a_cancellation_counts_and_a_lost_lease_stays_lost()
    {
        var delivery = new ScriptedDelivery("1");
        _slot.Fill(delivery);
        _slot.Cancel();
        Assert.False(_slot.LeaseLost);

        Assert.True(_slot.LoseLease(delivery));
        Assert.True(_slot.LoseLease(delivery));
        _slot.Cancel();

        Assert.Equal((true, CancellationCause.Shutdown), (_slot.LeaseLost, _slot.Context.CancelledBy));
    }

    [Fact]
    public void What_is_finished_gone_or_another_is_not_cancelled()
    {
        var (gone, delivery) = (new ScriptedDelivery("1"), new ScriptedDelivery("2"));
        _slot.Cancel();
        Assert.False(_slot.LoseLease(gone));
        _slot.Fill(gone);
        _slot.Clear();
        _slot.Cancel();
        _slot.Fill(delivery);
        Assert.False(_slot.LoseLease(gone));
        _slot.Finish();
        Assert.False(_slot.LoseLease(delivery));
        _slot.Cancel();

        Assert.Equal((false, CancellationCause.None), (_slot.LeaseLost, _slot.Context.CancelledBy));
        Assert.False(_slot.CancellationToken.IsCancellationRequested);
    }

    [Fact]
    public void Another_run_of_the_same_delivery_can_be_cancelled_as_the_first()
    {
        var delivery = new ScriptedDelivery("1");
        _slot.Fill(delivery);
        _slot.Context.SetCancelledBy(CancellationCause.Timeout);
        _slot.Finish();

        _slot.Again();

        Assert.Equal((2, CancellationCause.None), (_slot.Attempt, _slot.Context.CancelledBy));
        Assert.True(_slot.LoseLease(delivery));
        Assert.True(_slot.CancellationToken.IsCancellationRequested);
    }

    [Fact]
    public void Room_for_a_body_is_emptied_when_it_is_given_back()
    {
        var room = _slot.RentBody(977);
        room.Current.GetSpan(3)[..3].Fill(7);
        room.Current.Advance(3);
        Assert.Equal(3, room.Current.Written.Length);

        _slot.ForgetBody();

        Assert.Equal(0, room.Current.Written.Length);
    }
}
