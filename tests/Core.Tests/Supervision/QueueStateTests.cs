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

    /// <summary>The whole table, as docs/operations.md has it.</summary>
    [Theory]
    [InlineData(QueueState.Starting, "Receiving Reconnecting Paused Standby Stopped Faulted")]
    [InlineData(QueueState.Receiving, "Reconnecting Draining")]
    [InlineData(QueueState.Reconnecting, "Receiving Paused Standby Draining Stopped Faulted")]
    [InlineData(QueueState.Paused, "Receiving Reconnecting Standby Stopped Faulted")]
    [InlineData(QueueState.Standby, "Receiving Reconnecting Paused Stopped Faulted")]
    [InlineData(QueueState.Draining, "Receiving Reconnecting Paused Standby Stopped Faulted")]
    [InlineData(QueueState.Stopped, "")]
    [InlineData(QueueState.Faulted, "")]
    public void What_may_follow_does_and_all_else_is_refused_and_changes_nothing(QueueState from, string followers)
    {
        foreach (var to in Enum.GetValues<QueueState>())
        {
            var queue = $"{from}.{to}";
            _status.Set(queue, from);
            if (to == from || followers.Split(' ').Contains($"{to}"))
            {
                _status.Set(queue, to);
                Assert.Equal(to, _status.Queues[queue]);
                continue;
            }

            var e = Assert.Throws<InvalidOperationException>(() => _status.Set(queue, to));
            Assert.Equal($"The queue '{queue}' is {from} and cannot become {to}.", e.Message);
            Assert.Equal(from, _status.Queues[queue]);
        }
    }

    [Fact]
    public void Each_state_has_a_row_in_the_table() => Assert.All(Enum.GetValues<QueueState>(), static state => QueueStates.MayFollow(state, QueueState.Starting));
}
