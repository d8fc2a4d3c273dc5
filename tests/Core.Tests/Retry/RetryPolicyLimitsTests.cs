namespace Postrider.Core.Tests.Retry;

/// <summary>What a retry policy just takes, and that a delay is never shortened, not by a tick.</summary>
public sealed class RetryPolicyLimitsTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Longest = TimeSpan.FromDays(30);

    [Fact]
    public void Fractions_of_a_tick_are_rounded_up()
    {
        Assert.Equal(TimeSpan.FromTicks(2), RetryPolicy.Exponential(TimeSpan.FromTicks(1), Second, jitter: 0.2).DelayAfter(1, 0.5));
        Assert.Equal(TimeSpan.FromTicks(2), RetryPolicy.Parse("0.00015ms").DelayAfter(1, 0));
    }

    [Fact]
    public void Jitter_lengthens_beyond_the_cap_and_not_beyond_the_longest_delay()
    {
        Assert.Equal(2 * Second, RetryPolicy.Exponential(Second, Second, jitter: 1).DelayAfter(9, 1));
        Assert.Equal(Longest, RetryPolicy.Exponential(Longest, Longest, jitter: 1).DelayAfter(1, 1));
    }

    [Fact]
    public void A_factor_of_one_and_the_longest_delay_are_allowed()
    {
        Assert.Equal(Second, RetryPolicy.Exponential(Second, Longest, factor: 1, jitter: 0).DelayAfter(7, 0));
        Assert.Equal(Longest, RetryPolicy.Parse("30d").DelayAfter(1, 0));
    }
}
