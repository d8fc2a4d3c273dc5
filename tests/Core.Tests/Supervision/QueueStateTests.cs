using Postrider.Core.Supervision;

namespace Postrider.Core.Tests.Supervision;

/// <summary>Which state of a queue may follow which.</summary>
public sealed class QueueStateTests
{
    private readonly TransportStatus _status = new("memory");

    [Theory]
    [InlineData("Starting Receiving Draining Stopped")]
    [InlineData("Starting Reconnecting Receiving Reconnecting Receiving Draining Stopped")]
    [InlineData("Starting Paused Standby Receiving Draining Paused Receiving Draining Standby Stopped")]
    [InlineData("Starting Receiving Draining Reconnecting Receiving")]
    [InlineData("Starting Receiving Draining Faulted")]
    [InlineData("Starting Faulted")]
    [InlineData("Starting Stopped")]
    public void A_life(string states)
    {
        foreach (var state in states.Split(' ').Select(Enum.Parse<QueueState>))
        {
            _status.Set("orders", state);
            _status.Set("orders", state);
            Assert.Equal(state, _status.Queues["orders"]);
        }
    }

    [Theory]
    [InlineData(QueueState.Receiving, QueueState.Stopped)]
    [InlineData(QueueState.Receiving, QueueState.Faulted)]
    [InlineData(QueueState.Receiving, QueueState.Starting)]
    [InlineData(QueueState.Receiving, QueueState.Paused)]
    [InlineData(QueueState.Standby, QueueState.Draining)]
    [InlineData(QueueState.Starting, QueueState.Draining)]
    [InlineData(QueueState.Stopped, QueueState.Draining)]
    [InlineData(QueueState.Faulted, QueueState.Reconnecting)]
    public void What_may_not_follow_is_refused_and_changes_nothing(QueueState from, QueueState to)
    {
        _status.Set("orders", from);

        var e = Assert.Throws<InvalidOperationException>(() => _status.Set("orders", to));

        Assert.Equal($"The queue 'orders' is {from} and cannot become {to}.", e.Message);
        Assert.Equal(from, _status.Queues["orders"]);
    }

    [Fact]
    public void Every_state_has_its_place_and_all_but_the_last_ones_lead_to_an_end()
    {
        foreach (var state in Enum.GetValues<QueueState>())
        {
            var isLast = state is QueueState.Stopped or QueueState.Faulted;
            Assert.Equal(!isLast, Enum.GetValues<QueueState>().Any(other => other != state && QueueStates.MayFollow(state, other)));
            Assert.True(isLast || state == QueueState.Draining || QueueStates.MayFollow(state, QueueState.Draining) || QueueStates.MayFollow(state, QueueState.Stopped));
        }
    }
}
