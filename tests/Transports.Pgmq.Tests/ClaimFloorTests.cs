using Microsoft.Extensions.Time.Testing;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>When a look goes through everything and when it does not.</summary>
public sealed class ClaimFloorTests
{
    private static readonly DateTime Oldest = new(2026, 1, 1, 12, 0, 0, DateTimeKind.Utc);
    private static readonly DateTime Floor = Oldest.AddMilliseconds(-100);
    private readonly FakeTimeProvider _time = new();
    private readonly ClaimFloor _floor;

    public ClaimFloorTests() => _floor = new(_time);

    [Fact]
    public void Quick_looks_go_through_everything()
    {
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(TimeSpan.FromMilliseconds(i), Look(i));
        }
    }

    [Fact]
    public void After_a_slow_one_a_tenth_of_the_time_may_go_into_others()
    {
        Assert.Equal(TimeSpan.FromMilliseconds(200), Look(200));
        _time.Advance(TimeSpan.FromMilliseconds(1999));
        Assert.Equal(Floor, _floor.Begin());
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(ClaimFloor.None, _floor.Begin());
    }

    [Fact]
    public void The_look_after_a_row_got_its_old_place_back_goes_through_everything()
    {
        Look(200);
        Assert.Equal(Floor, _floor.Begin());
        _floor.Forget();
        Assert.Equal(ClaimFloor.None, _floor.Begin());
        Assert.Equal(Floor, _floor.Begin());
    }

    [Fact]
    public void What_claiming_takes_by_itself_is_not_in_vain()
    {
        Look(200);
        Assert.Equal(TimeSpan.Zero, _floor.End(_floor.Begin(), Oldest, TimeSpan.FromMilliseconds(180)));
        _time.Advance(TimeSpan.FromSeconds(10));

        // Large messages, say: nothing is to be gained.
        Assert.Equal(TimeSpan.FromMilliseconds(5), Look(185));
        Assert.Equal(ClaimFloor.None, _floor.Begin());
    }

    [Fact]
    public void Nothing_is_known_of_dead_rows_until_a_look_has_passed_them_by()
    {
        // A first claim of large messages is slow too.
        Look(200);
        Assert.False(_floor.IsKnown);
        _floor.End(_floor.Begin(), Oldest, TimeSpan.FromMilliseconds(1));
        _time.Advance(TimeSpan.FromSeconds(10));
        Look(200);
        Assert.True(_floor.IsKnown);
        _time.Advance(TimeSpan.FromSeconds(10));
        Look(200);
        Assert.False(_floor.IsKnown);
    }

    [Fact]
    public void One_short_look_that_was_slow_by_chance_is_forgotten()
    {
        Look(200);
        _floor.End(_floor.Begin(), Oldest, TimeSpan.FromMilliseconds(400));
        _time.Advance(TimeSpan.FromSeconds(10));
        var looks = 1;
        for (Look(200); _floor.Begin() == ClaimFloor.None; looks++)
        {
            Look(200);
        }

        Assert.InRange(looks, 2, 20);
    }

    [Fact]
    public void A_look_that_finds_nothing_leaves_the_floor_where_it_is()
    {
        Look(200);
        _floor.End(_floor.Begin(), null, TimeSpan.FromMilliseconds(1));
        Assert.Equal(Floor, _floor.Begin());
    }

    [Fact]
    public void Rows_of_the_beginning_of_time_are_no_matter()
    {
        _floor.End(ClaimFloor.None, ClaimFloor.None, TimeSpan.FromSeconds(1));
        Assert.Equal(ClaimFloor.None, _floor.Begin());
    }

    private TimeSpan Look(double milliseconds)
    {
        Assert.Equal(ClaimFloor.None, _floor.Begin());
        return _floor.End(ClaimFloor.None, Oldest, TimeSpan.FromMilliseconds(milliseconds));
    }
}
