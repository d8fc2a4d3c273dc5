using Microsoft.Extensions.Time.Testing;
using Postrider.Core.Stats;

namespace Postrider.Core.Tests.Stats;

public sealed class RollingTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Rates_are_those_of_their_windows()
    {
        var rolling = new RollingCounts(2, _time);
        var total = 0L;
        Tick(rolling, total);

        // Ten minutes of 2 a second, then 40 seconds of 10 a second.
        for (var i = 0; i < 128; i++)
        {
            _time.Advance(RollingCounts.Tick);
            total += i < 120 ? 10 : 50;
            Tick(rolling, total);
        }

        var rates = rolling.Read(0);
        Assert.Equal(10, rates.Now, 9);
        Assert.Equal(((40 * 10) + (20 * 2)) / 60d, rates.Minute, 9);
        Assert.Equal(((40 * 10) + (260 * 2)) / 300d, rates.FiveMinutes, 9);
        Assert.Equal(new(-10, -rates.Minute, -rates.FiveMinutes), rolling.Read(1));
    }

    [Fact]
    public void A_young_host_counts_from_its_start_on()
    {
        var rolling = new RollingCounts(2, _time);
        Assert.Equal(default, rolling.Read(0));
        Tick(rolling, 0);
        Assert.Equal(default, rolling.Read(0));
        _time.Advance(RollingCounts.Tick);
        Tick(rolling, 20);

        Assert.Equal(new(4, 4, 4), rolling.Read(0));
    }

    [Fact]
    public void A_late_tick_does_not_make_a_rate_higher()
    {
        var rolling = new RollingCounts(2, _time);
        Tick(rolling, 0);
        _time.Advance(TimeSpan.FromSeconds(50));
        Tick(rolling, 100);

        Assert.Equal(2, rolling.Read(0).Now);
    }

    [Fact]
    public void Durations_are_forgotten_after_five_full_minutes()
    {
        var recorder = new DurationRecorder();
        var rolling = new RollingDurations(recorder.Read);
        recorder.Record(0, 1_000_000_000);
        for (var minute = 1; minute <= 5; minute++)
        {
            rolling.Turn();
            recorder.Record(0, 1_000);
            Assert.Equal(1 + minute, rolling.Read().Count);
            Assert.True(rolling.Read().Max > TimeSpan.FromMilliseconds(900));
        }

        rolling.Turn();

        Assert.Equal(5, rolling.Read().Count);
        Assert.True(rolling.Read().Max < TimeSpan.FromMilliseconds(1));
    }

    private void Tick(RollingCounts rolling, long count) => rolling.Add([count, -count], _time.GetTimestamp());
}
