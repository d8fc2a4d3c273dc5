using System.Collections.Immutable;

namespace Postrider;

/// <summary>What follows when a handler throws: how many attempts, and how long between them.</summary>
/// <remarks>Immutable. Delays are kept by the broker or in the message, so they survive restarts; they are never shortened.</remarks>
public sealed record RetryPolicy
{
    private static readonly TimeSpan LongestDelay = TimeSpan.FromDays(30);

    private RetryPolicy(ImmutableArray<TimeSpan> steps, double factor, TimeSpan cap, double jitter) =>
        (Steps, Factor, Cap, Jitter) = (steps, factor, cap, jitter);

    /// <summary>Five attempts, 1 s to 1 min apart, doubling, with a jitter of 20 %.</summary>
    public static RetryPolicy Default { get; } = Exponential(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1)) with { MaxAttempts = 5 };

    /// <summary>One attempt: the first failure is a dead letter.</summary>
    public static RetryPolicy None { get; } = Immediate with { MaxAttempts = 1 };

    /// <summary>Again at once.</summary>
    public static RetryPolicy Immediate => new([TimeSpan.Zero], 1, LongestDelay, 0);

    /// <summary>How many times a handler runs on one message, the first time included. At least 1.</summary>
    public int MaxAttempts { get; init; } = 5;

    /// <summary>Whether an exception is worth another attempt. Undecodable messages never come here: they are dead letters at once.</summary>
    public Func<Exception, bool> IsRetryable { get; init; } = static _ => true;

    private ImmutableArray<TimeSpan> Steps { get; }

    private double Factor { get; }

    private TimeSpan Cap { get; }

    private double Jitter { get; }

    /// <summary>The same delay each time.</summary>
    public static RetryPolicy Fixed(TimeSpan delay) => new([Checked(delay)], 1, LongestDelay, 0);

    /// <summary>The delays one after another; the last one repeats.</summary>
    public static RetryPolicy List(params ReadOnlySpan<TimeSpan> delays)
    {
        if (delays.IsEmpty)
        {
            throw new MessagingConfigurationException("A retry policy needs at least one delay.");
        }

        var steps = ImmutableArray.CreateBuilder<TimeSpan>(delays.Length);
        foreach (var delay in delays)
        {
            steps.Add(Checked(delay));
        }

        return new(steps.MoveToImmutable(), 1, LongestDelay, 0);
    }

    /// <summary><paramref name="first"/>, then <paramref name="factor"/> times longer each time, at most <paramref name="cap"/>; spread upwards by the jitter.</summary>
    /// <param name="first">The first delay.</param>
    /// <param name="cap">The longest delay before jitter.</param>
    /// <param name="factor">Growth, at least 1.</param>
    /// <param name="jitter">0 to 1: each delay is lengthened by a random share up to this, so that many failures do not come back at once.</param>
    public static RetryPolicy Exponential(TimeSpan first, TimeSpan cap, double factor = 2, double jitter = 0.2)
    {
        if (factor < 1 || jitter is < 0 or > 1 || double.IsNaN(factor) || double.IsNaN(jitter))
        {
            throw new MessagingConfigurationException($"A retry policy's factor is at least 1 and its jitter from 0 to 1; got {factor} and {jitter}.");
        }

        return new([Checked(first)], factor, Checked(cap), jitter);
    }

    /// <summary>Exceptions of this type, or derived from it, go to the dead-letter queue at once.</summary>
    public RetryPolicy Never<TException>()
        where TException : Exception
    {
        var before = IsRetryable;
        return this with { IsRetryable = exception => exception is not TException && before(exception) };
    }

    /// <summary>The delay after this many failed attempts.</summary>
    /// <param name="failedAttempts">At least 1.</param>
    /// <param name="random">From 0 to 1: where in the jitter's range the delay lies.</param>
    public TimeSpan DelayAfter(int failedAttempts, double random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(failedAttempts, 1);
        var step = Steps[Math.Min(failedAttempts, Steps.Length) - 1];
        if (step == TimeSpan.Zero)
        {
            return TimeSpan.Zero;
        }

        // In ticks, which a double holds exactly up to the longest delay; rounded up, as a delay is never shortened.
        var grown = Math.Min(step.Ticks * Math.Pow(Factor, Math.Max(0, failedAttempts - Steps.Length)), Cap.Ticks);
        return TimeSpan.FromTicks((long)Math.Min(Math.Ceiling(grown * (1 + (Jitter * random))), LongestDelay.Ticks));
    }

    private static TimeSpan Checked(TimeSpan delay) => delay >= TimeSpan.Zero && delay <= LongestDelay
        ? delay
        : throw new MessagingConfigurationException($"A retry delay is from zero to {LongestDelay.TotalDays} days; got {delay}.");
}
