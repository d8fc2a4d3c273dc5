using Microsoft.Extensions.Time.Testing;
using Postrider.Core.InMemory;

namespace Postrider.Core.Tests.InMemory;

/// <summary>A receiver that was woken may end before it takes anything: seen at the queue itself, where the moment can be held.</summary>
public sealed class SignalTests
{
    private readonly InMemoryQueue _queue = new("orders", new InMemoryBroker(), new BrokerClock(new FakeTimeProvider()));
    private readonly QueueReader _first = new(Bench.Lease, 0);
    private readonly QueueReader _second = new(Bench.Lease, 0);

    public SignalTests()
    {
        _queue.Open(_first);
        _queue.Open(_second);
        Assert.Null(_queue.TakeOrWait(_first, 1));
        Assert.Null(_queue.TakeOrWait(_second, 1));
    }

    [Fact]
    public void One_message_wakes_one_reader_the_one_that_waits_longest()
    {
        Assert.True(_queue.TryAdd(Bench.Message("1"), TimeSpan.Zero));

        Assert.True(IsWoken(_first));
        Assert.False(IsWoken(_second));
    }

    [Theory]
    [InlineData("cancelled")]
    [InlineData("stopped")]
    [InlineData("closed")]
    public void A_signal_that_is_not_used_goes_to_the_next_who_waits(string how)
    {
        Assert.True(_queue.TryAdd(Bench.Message("1"), TimeSpan.Zero));

        if (how == "cancelled")
        {
            _queue.EndWait(_first);
        }
        else
        {
            _queue.Stop(_first, close: how == "closed");
        }

        Assert.True(IsWoken(_second));
        Assert.Equal("1", Assert.Single(_queue.TakeOrWait(_second, 1)!).Envelope.Id);
    }

    [Fact]
    public void A_reader_that_is_woken_too_late_waits_again_at_the_end()
    {
        Assert.True(_queue.TryAdd(Bench.Message("1"), TimeSpan.Zero));
        var third = new QueueReader(Bench.Lease, 0);
        _queue.Open(third);

        Assert.Single(_queue.TakeOrWait(third, 1)!);

        Assert.Null(_queue.TakeOrWait(_first, 1));
        Assert.True(_queue.TryAdd(Bench.Message("2"), TimeSpan.Zero));
        Assert.True(IsWoken(_second));
        Assert.False(IsWoken(_first));
    }

    private static bool IsWoken(QueueReader reader) => reader.Place.List is null;
}
