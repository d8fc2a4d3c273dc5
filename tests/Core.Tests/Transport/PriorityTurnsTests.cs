using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Transport;

/// <summary>Whose turn it is among the levels of a queue.</summary>
public sealed class PriorityTurnsTests
{
    [Fact]
    public void The_highest_level_is_next_but_one_turn_in_so_many_is_a_lower_ones()
    {
        Assert.Equal("999 5 999 5 999 5", Turns(4, 12, 9, 5));
        Assert.Equal("9 5 9 5", Turns(2, 4, 9, 5));
    }

    [Fact]
    public void Lower_levels_take_turns_from_the_highest_of_them_down_and_round_again()
    {
        Assert.Equal("9 7 9 4 9 0 9 7 9 4", Turns(2, 10, 9, 7, 4, 0));
    }

    [Fact]
    public void Strict_turns_are_never_a_lower_ones() => Assert.Equal(new string('9', 1000), Turns(0, 1000, 9, 0));

    [Fact]
    public void A_level_that_waits_alone_has_every_turn_and_whoever_comes_then_is_counted_from_its_coming()
    {
        var turns = new PriorityTurns(3);
        Assert.Equal([9, 9, 4], Next(turns, 3, 9, 4));
        Assert.Equal([9, 9], Next(turns, 2, 9, 4));

        Assert.Equal([0, 0, 0, 0], Next(turns, 4, 0));
        Assert.Equal([9, 9, 0], Next(turns, 3, 9, 0));
    }

    [Fact]
    public void A_lower_level_that_has_nothing_more_leaves_its_turn_to_the_next()
    {
        var turns = new PriorityTurns(2);
        Assert.Equal([9, 6], Next(turns, 2, 9, 6, 3, 1));

        Assert.Equal([9, 1], Next(turns, 2, 9, 6, 1));
        Assert.Equal([9, 6], Next(turns, 2, 9, 6, 3));
    }

    [Fact]
    public void What_is_highest_may_change_from_turn_to_turn()
    {
        var turns = new PriorityTurns(3);
        Assert.Equal([5, 5, 2], Next(turns, 3, 5, 2));

        Assert.Equal([9], Next(turns, 1, 9, 5, 2));
        Assert.Equal([5], Next(turns, 1, 5, 2));
        Assert.Equal([5], Next(turns, 1, 9, 5, 2));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public void One_in_one_would_turn_the_levels_round(int oneIn) => Assert.Throws<ArgumentOutOfRangeException>(() => new PriorityTurns(oneIn));

    [Fact]
    public void Somebody_must_wait() => Assert.Throws<ArgumentOutOfRangeException>(static () => new PriorityTurns(10).Next(0));

    [Fact]
    public void The_default_level_is_the_queue_itself()
    {
        Assert.Equal("orders", Priorities.SubQueue("orders", Priorities.Default));
        Assert.Equal(["orders~0", "orders~9"], [Priorities.SubQueue("orders", Priorities.Lowest), Priorities.SubQueue("orders", Priorities.Highest)]);
        Assert.Throws<MessagingConfigurationException>(static () => Names.CheckQueue(Priorities.SubQueue("orders", 9)));
    }

    [Theory]
    [InlineData(null, null, 4)]
    [InlineData(0, 0, 0)]
    [InlineData(9, 9, 9)]
    [InlineData(-7, 0, 0)]
    [InlineData(255, 9, 9)]
    public void A_message_that_says_nothing_is_of_the_default_level_and_what_is_out_of_range_of_the_nearest(int? said, int? kept, int level)
    {
        var envelope = new Envelope { Id = "1", Priority = said };

        Assert.Equal((kept, level), (envelope.Priority, Priorities.LevelOf(envelope)));
    }

    private static int[] Next(PriorityTurns turns, int count, params int[] waiting) =>
        [.. Enumerable.Range(0, count).Select(_ => turns.Next(waiting.Aggregate(0, static (bits, level) => bits | (1 << level))))];

    /// <summary>Runs of the highest level together, and each other turn by itself.</summary>
    private static string Turns(int oneIn, int count, params int[] waiting) => string.Concat(
        Next(new(oneIn), count, waiting).Select(level => level == waiting[0] ? $"{level}" : $" {level} ")).Trim();
}
