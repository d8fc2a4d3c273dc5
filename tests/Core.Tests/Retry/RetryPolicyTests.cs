using Postrider.Core.Retry;

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

    [Theory]
    [InlineData("3 x 1s,10s,60s", 4, "1,10,60,60")]
    [InlineData("1s,10s,60s", 4, "1,10,60,60")]
    [InlineData("1x500ms", 2, "0.5,0.5,0.5,0.5")]
    [InlineData(" 10 x 1.5m , 2 h ", 11, "90,7200,7200,7200")]
    [InlineData("2 x 0s", 3, "0,0,0,0")]
    [InlineData("1d", 2, "86400,86400,86400,86400")]
    public void Text_is_a_first_run_and_so_many_retries(string text, int attempts, string seconds)
    {
        var policy = RetryPolicy.Parse(text);

        Assert.Equal(attempts, policy.MaxAttempts);
        Assert.Equal(seconds, string.Join(',', Enumerable.Range(1, 4).Select(n => policy.DelayAfter(n, 1).TotalSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture))));
    }

    [Theory]
    [InlineData("", "''")]
    [InlineData("3 x", "''")]
    [InlineData("x 1s", "number of retries")]
    [InlineData("0 x 1s", "number of retries")]
    [InlineData("-1 x 1s", "number of retries")]
    [InlineData("many x 1s", "number of retries")]
    [InlineData("1s,,2s", "''")]
    [InlineData("10", "'10'")]
    [InlineData("1y", "'1y'")]
    [InlineData("-1s", "'-1s'")]
    [InlineData("1.2.3s", "'1.2.3s'")]
    [InlineData("31d", "'31d'")]
    [InlineData("s", "'s'")]
    public void Text_that_is_no_policy_is_refused_with_what_was_not_understood(string text, string what)
    {
        var e = Assert.Throws<MessagingConfigurationException>(() => RetryPolicy.Parse(text));
        Assert.Contains(what, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_policy_of_the_nearest_type_counts()
    {
        var (arguments, nulls, times) = (RetryPolicy.None, RetryPolicy.Immediate, RetryPolicy.Fixed(TimeSpan.FromSeconds(7)));
        var policy = RetryPolicy.Default.For<ArgumentNullException>(RetryPolicy.Default).For<ArgumentException>(arguments)
            .For<ArgumentNullException>(nulls).For<TimeoutException>(times);

        Assert.Same(arguments, policy.PolicyFor(new ArgumentException()));
        Assert.Same(arguments, policy.PolicyFor(new ArgumentOutOfRangeException()));
        Assert.Same(nulls, policy.PolicyFor(new ArgumentNullException()));
        Assert.Same(times, policy.PolicyFor(new TimeoutException()));
        Assert.Same(policy, policy.PolicyFor(new InvalidOperationException()));
    }

    [Fact]
    public void A_failure_follows_the_policy_of_its_type()
    {
        var policy = (RetryPolicy.Fixed(TimeSpan.FromSeconds(1)) with { MaxAttempts = 3 })
            .For<TimeoutException>(RetryPolicy.Fixed(TimeSpan.FromSeconds(9)) with { MaxAttempts = 5 })
            .For<FormatException>(RetryPolicy.None with { OnExhausted = ExhaustedMessage.Discard })
            .For<ArgumentException>(RetryPolicy.Immediate.Never<ArgumentNullException>());

        Assert.Equal((OutcomeKind.Retry, TimeSpan.FromSeconds(1)), Of(new InvalidOperationException(), 2));
        Assert.Equal((OutcomeKind.DeadLetter, TimeSpan.Zero), Of(new InvalidOperationException(), 3));
        Assert.Equal((OutcomeKind.Retry, TimeSpan.FromSeconds(9)), Of(new TimeoutException(), 4));
        Assert.Equal((OutcomeKind.DeadLetter, TimeSpan.Zero), Of(new TimeoutException(), 5));
        Assert.Equal((OutcomeKind.Ack, TimeSpan.Zero), Of(new FormatException(), 1));
        Assert.True(Failures.ToOutcome(new FormatException(), 1, policy).IsDiscarded);
        Assert.Equal(DeadLetterReason.NonRetryable, Failures.ToOutcome(new ArgumentNullException(), 1, policy).Reason);
        // A malformed body has no second chance and no policy.
        Assert.Equal(
            (OutcomeKind.DeadLetter, DeadLetterReason.Malformed),
            (Failures.ToOutcome(new MalformedMessageException("x"), 1, policy).Kind, Failures.ToOutcome(new MalformedMessageException("x"), 1, policy).Reason));

        (OutcomeKind, TimeSpan) Of(Exception exception, int attempt)
        {
            var outcome = Failures.ToOutcome(exception, attempt, policy);
            return (outcome.Kind, outcome.Delay);
        }
    }

    [Fact]
    public void An_attempt_that_the_consumer_asks_for_beyond_the_last_follows_the_same_choice()
    {
        var policy = RetryPolicy.Immediate with { MaxAttempts = 2 };

        Assert.Equal(OutcomeKind.Retry, Failures.Bounded(Outcome.Retry(TimeSpan.Zero), 1, policy).Kind);
        Assert.Equal(DeadLetterReason.Exhausted, Failures.Bounded(Outcome.Retry(TimeSpan.Zero), 2, policy).Reason);
        Assert.True(Failures.Bounded(Outcome.Retry(TimeSpan.Zero), 2, policy with { OnExhausted = ExhaustedMessage.Discard }).IsDiscarded);
        Assert.False(Failures.Bounded(Outcome.Ack, 2, policy with { OnExhausted = ExhaustedMessage.Discard }).IsDiscarded);
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
