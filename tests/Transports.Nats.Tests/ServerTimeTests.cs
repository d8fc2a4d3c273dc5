using System.Diagnostics;

namespace Postrider.Transports.Nats.Tests;

/// <summary>The server's time is never thought to be later than it is, and not much earlier for long.</summary>
public sealed class ServerTimeTests
{
    private const long Second = 1_000_000_000;
    private static readonly long Tick = Stopwatch.Frequency;

    [Fact]
    public void It_goes_on_from_what_was_told()
    {
        var time = ServerTime.Told(100 * Second, 0, Tick / 100, null);
        Assert.Equal(107 * Second, time.At((Tick / 100) + (7 * Tick)));
        Assert.True(time.IsFresh(9 * Tick));
        Assert.False(time.IsFresh(11 * Tick));
    }

    [Fact]
    public void What_an_answer_that_took_long_tells_is_asked_again_soon()
    {
        var time = ServerTime.Told(100 * Second, 0, 2 * Tick, null);
        Assert.Equal(TimeSpan.FromSeconds(2), time.Lag);
        Assert.True(time.IsFresh((2 * Tick) + (Tick / 2)));
        Assert.False(time.IsFresh((3 * Tick) + (Tick / 2)));
    }

    [Fact]
    public void What_was_known_before_stays_if_it_is_nearer()
    {
        var before = ServerTime.Told(100 * Second, 0, 0, null);

        // Ten seconds later a question takes two: what it tells is of the moment when it was sent.
        var time = ServerTime.Told(110 * Second, 10 * Tick, 12 * Tick, before);
        Assert.InRange(time.At(12 * Tick), (112 * Second) - (Second / 50), 112 * Second);
        Assert.True(time.Lag < TimeSpan.FromMilliseconds(50));
        Assert.True(time.IsFresh(20 * Tick));
    }

    [Fact]
    public void A_clock_that_was_set_back_is_believed()
    {
        var before = ServerTime.Told(100 * Second, 0, 0, null);
        Assert.Equal(50 * Second, ServerTime.Told(50 * Second, 10 * Tick, 10 * Tick, before).At(10 * Tick));
    }

    [Fact]
    public void A_clock_that_is_further_on_is_believed()
    {
        var before = ServerTime.Told(100 * Second, 0, 0, null);
        Assert.Equal(200 * Second, ServerTime.Told(200 * Second, 10 * Tick, 11 * Tick, before).At(11 * Tick));
    }
}
