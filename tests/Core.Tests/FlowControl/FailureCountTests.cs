using Microsoft.Extensions.Time.Testing;
using Postrider.Core.FlowControl;

namespace Postrider.Core.Tests.FlowControl;

/// <summary>When there are too many failures.</summary>
public sealed class FailureCountTests
{
    [Fact]
    public void In_a_row_a_success_begins_anew()
    {
        var count = new FailureCount(new() { Failures = 3 }, TimeProvider.System);
        Assert.Equal([false, false], new[] { count.Failed(), count.Failed() });
        count.Succeeded();
        Assert.Equal([false, false, true, true], new[] { count.Failed(), count.Failed(), count.Failed(), count.Failed() });
        count.Reset();
        Assert.False(count.Failed());
    }

    [Fact]
    public void By_ratio_enough_must_have_been_handled_within_the_window()
    {
        var time = new FakeTimeProvider();
        var count = new FailureCount(new() { FailureRatio = 0.5, MinimumHandled = 10, Window = TimeSpan.FromSeconds(10) }, time);
        for (var i = 0; i < 5; i++)
        {
            count.Succeeded();
            Assert.Equal(i == 4, count.Failed());
        }

        time.Advance(TimeSpan.FromSeconds(5));
        Assert.True(count.Failed()); // 6 of 11
        count.Succeeded();
        Assert.True(count.Failed()); // 7 of 13
        count.Succeeded();
        count.Succeeded();
        count.Succeeded();
        Assert.False(count.Failed()); // 8 of 17
        time.Advance(TimeSpan.FromSeconds(5));
        Assert.False(count.Failed()); // the first ten are over: 4 of 8, which is too little to tell
        time.Advance(TimeSpan.FromSeconds(30));
        for (var i = 0; i < 9; i++)
        {
            Assert.False(count.Failed());
        }

        Assert.True(count.Failed());
        count.Reset();
        Assert.False(count.Failed());
    }

    [Fact]
    public void A_ratio_of_one_takes_failures_alone()
    {
        var count = new FailureCount(new() { FailureRatio = 1, MinimumHandled = 2 }, new FakeTimeProvider());
        count.Succeeded();
        Assert.False(count.Failed());
        Assert.False(count.Failed());
    }
}
