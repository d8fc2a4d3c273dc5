namespace Postrider.Core.Tests.Retry;

public sealed class RetryPolicyTests
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(30);

    [Fact]
    public void Immediate_waits_not_at_all() =>
        Assert.All([1, 2, 100, int.MaxValue], n => Assert.Equal(TimeSpan.Zero, RetryPolicy.Immediate.DelayAfter(n, 1)));

    [Fact]
    public void None_has_one_attempt() => Assert.Equal(1, RetryPolicy.None.MaxAttempts);

    [Fact]
    public void Fixed_waits_the_same_each_time()
    {
        var policy = RetryPolicy.Fixed(TimeSpan.FromSeconds(7));

        Assert.All([1, 2, 100, int.MaxValue], n => Assert.Equal(TimeSpan.FromSeconds(7), policy.DelayAfter(n, 1)));
    }

    [Fact]
    public void A_list_goes_from_step_to_step_and_repeats_the_last()
    {
        var policy = RetryPolicy.List(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(2));

        Assert.Equal([1, 10, 2, 2, 2], Array.ConvertAll([1, 2, 3, 4, int.MaxValue], n => policy.DelayAfter(n, 1).TotalSeconds));
    }

    [Fact]
    public void Exponential_grows_by_its_factor_up_to_its_cap()
    {
        var policy = RetryPolicy.Exponential(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60), factor: 3, jitter: 0);

        Assert.Equal([1, 3, 9, 27, 60, 60], Array.ConvertAll([1, 2, 3, 4, 5, int.MaxValue], n => policy.DelayAfter(n, 1).TotalSeconds));
    }

    [Fact]
    public void The_default_is_five_attempts_that_double_from_one_second()
    {
        Assert.Equal(5, RetryPolicy.Default.MaxAttempts);
        Assert.Equal([1, 2, 4, 8], Array.ConvertAll([1, 2, 3, 4], n => RetryPolicy.Default.DelayAfter(n, 0).TotalSeconds));
        Assert.Equal(TimeSpan.FromSeconds(1.2), RetryPolicy.Default.DelayAfter(1, 1));
        Assert.Equal(TimeSpan.FromMinutes(1), RetryPolicy.Default.DelayAfter(100, 0));
    }

    [Fact]
    public void Jitter_only_lengthens_and_stays_within_its_share()
    {
        var random = new Random(4711);
        for (var i = 0; i < 20_000; i++)
        {
            // Ticks that are no whole milliseconds: rounding must not shorten either.
            var first = TimeSpan.FromTicks(random.NextInt64(1, TimeSpan.TicksPerHour));
            var jitter = random.NextDouble();
            var delay = RetryPolicy.Exponential(first, TimeSpan.FromDays(1), factor: 2, jitter).DelayAfter(1, random.NextDouble());

            Assert.True(delay >= first, $"{delay} after a base of {first}");
            Assert.True(delay <= (first * (1 + jitter)) + TimeSpan.FromTicks(1), $"{delay} after {first} and {jitter}");
        }
    }

    [Fact]
    public void A_fixed_delay_is_kept_to_the_tick()
    {
        var random = new Random(4712);
        for (var i = 0; i < 20_000; i++)
        {
            var delay = TimeSpan.FromTicks(random.NextInt64(0, Longest.Ticks));
            Assert.Equal(delay, RetryPolicy.Fixed(delay).DelayAfter(1 + i, random.NextDouble()));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1000)]
    public void Huge_attempts_do_not_overflow(int firstMilliseconds)
    {
        var policy = RetryPolicy.Exponential(TimeSpan.FromMilliseconds(firstMilliseconds), Longest, factor: 1e300, jitter: 1);

        var delay = policy.DelayAfter(int.MaxValue, 1);

        Assert.Equal(firstMilliseconds == 0 ? TimeSpan.Zero : Longest, delay);
    }

    [Fact]
    public void Never_excludes_a_type_and_those_derived_from_it()
    {
        var policy = RetryPolicy.Default.Never<ArgumentException>().Never<FormatException>();

        Assert.False(policy.IsRetryable(new ArgumentException()));
        Assert.False(policy.IsRetryable(new ArgumentNullException()));
        Assert.False(policy.IsRetryable(new FormatException()));
        Assert.True(policy.IsRetryable(new TimeoutException()));
        Assert.True(RetryPolicy.Default.IsRetryable(new ArgumentException()));
    }

    [Fact]
    public void Wrong_values_are_refused()
    {
        var second = TimeSpan.FromSeconds(1);
        Action[] wrong =
        [
            () => RetryPolicy.List(),
            () => RetryPolicy.List(second, TimeSpan.FromTicks(-1)),
            () => RetryPolicy.Fixed(TimeSpan.FromTicks(-1)),
            () => RetryPolicy.Fixed(Longest + TimeSpan.FromTicks(1)),
            () => RetryPolicy.Fixed(TimeSpan.MaxValue),
            () => RetryPolicy.Exponential(TimeSpan.FromTicks(-1), second),
            () => RetryPolicy.Exponential(second, TimeSpan.MaxValue),
            () => RetryPolicy.Exponential(second, second, factor: 0.99),
            () => RetryPolicy.Exponential(second, second, factor: double.NaN),
            () => RetryPolicy.Exponential(second, second, jitter: -0.01),
            () => RetryPolicy.Exponential(second, second, jitter: 1.01),
            () => RetryPolicy.Exponential(second, second, jitter: double.NaN),
        ];

        Assert.All(wrong, action => Assert.Throws<MessagingConfigurationException>(action));
    }
}
