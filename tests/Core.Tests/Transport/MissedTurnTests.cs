using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Transport;

/// <summary>Turns of levels that turn out to have nothing.</summary>
public sealed class MissedTurnTests
{
    private const int All = (1 << 9) | (1 << 5) | 1;

    [Fact]
    public void A_turn_of_lower_levels_that_one_misses_is_the_next_ones()
    {
        var turns = new PriorityTurns(3);
        Assert.Equal([9, 9, 5], [turns.Next(All), turns.Next(All), turns.Next(All)]);

        turns.Missed();

        Assert.Equal(0, turns.Next(All & ~(1 << 5)));
        Assert.Equal([9, 9, 5], [turns.Next(All), turns.Next(All), turns.Next(All)]);
    }

    [Fact]
    public void A_turn_of_the_highest_level_that_it_misses_passes_nobody_over()
    {
        var turns = new PriorityTurns(3);
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(9, turns.Next(All));
            turns.Missed();
        }

        Assert.Equal([9, 9, 5], [turns.Next(All), turns.Next(All), turns.Next(All)]);
    }
}
