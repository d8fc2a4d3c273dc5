using System.Collections.Immutable;
using System.Globalization;

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

    /// <summary>What becomes of a message whose attempts are used up.</summary>
    public ExhaustedMessage OnExhausted { get; init; }

    /// <summary>Whether an exception is worth another attempt. Undecodable messages never come here: they are dead letters at once.</summary>
    public Func<Exception, bool> IsRetryable { get; init; } = static _ => true;

    private ImmutableArray<TimeSpan> Steps { get; }

    private double Factor { get; }

    private TimeSpan Cap { get; }

    private double Jitter { get; }

    private ImmutableArray<(Type Exception, RetryPolicy Policy)> ByException { get; init; } = [];

    /// <summary>
    /// Reads <c>3 x 1s,10s,60s</c>: a first run and three retries, after these delays; with more retries than delays the last one repeats. Without a number
    /// there is a retry for each delay. A delay is a number and <c>ms</c>, <c>s</c>, <c>m</c>, <c>h</c> or <c>d</c>.
    /// </summary>
    /// <exception cref="MessagingConfigurationException">It is not of this form; the text says what was not understood.</exception>
    public static RetryPolicy Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var times = text.IndexOf('x', StringComparison.Ordinal);
        var delays = Array.ConvertAll(text[(times + 1)..].Split(','), delay => ParseDelay(delay, text));
        var retries = delays.Length;
        if (times >= 0 && !(int.TryParse(text.AsSpan(0, times).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out retries) && retries is > 0 and < 1_000_000))
        {
            throw new MessagingConfigurationException($"'{text}' is no retry policy: before the 'x' stands the number of retries, 1 or more.");
        }

        return List(delays) with { MaxAttempts = retries + 1 };
    }

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

    /// <summary>
    /// Another policy for exceptions of this type, or derived from it; where several fit, that of the nearest type counts. An attempt is an attempt
    /// whatever it failed from: all of them count against each policy's <see cref="MaxAttempts"/>.
    /// </summary>
    public RetryPolicy For<TException>(RetryPolicy policy)
        where TException : Exception
    {
        ArgumentNullException.ThrowIfNull(policy);
        return this with { ByException = ByException.RemoveAll(static one => one.Exception == typeof(TException)).Add((typeof(TException), policy)) };
    }

    /// <summary>The policy for an exception: this one, unless another was given for its type.</summary>
    public RetryPolicy PolicyFor(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        if (!ByException.IsEmpty)
        {
            for (var type = exception.GetType(); type is not null; type = type.BaseType)
            {
                foreach (var (handled, policy) in ByException)
                {
                    if (handled == type)
                    {
                        return policy;
                    }
                }
            }
        }

        return this;
    }

    /// <summary>This policy and all that it holds for types of exceptions.</summary>
    /// <summary>Whether all attempts together, with the longest delays, wait longer than this.</summary>
    internal bool TakesLongerThan(TimeSpan limit)
    {
        var left = limit;
        for (var i = 1; i < MaxAttempts && left >= TimeSpan.Zero; i++)
        {
            var delay = DelayAfter(i, 1);
            if (delay == TimeSpan.Zero && i >= Steps.Length)
            {
                break;
            }

            left -= delay;
        }

        return left < TimeSpan.Zero;
    }

    internal IEnumerable<RetryPolicy> All() => ByException.SelectMany(static one => one.Policy.All()).Prepend(this);

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

    private static TimeSpan ParseDelay(string delay, string text)
    {
        var trimmed = delay.AsSpan().Trim();
        var number = trimmed.TrimEnd("abcdefghijklmnopqrstuvwxyz");
        var unit = trimmed[number.Length..] switch
        {
            "ms" => TimeSpan.FromMilliseconds(1),
            "s" => TimeSpan.FromSeconds(1),
            "m" => TimeSpan.FromMinutes(1),
            "h" => TimeSpan.FromHours(1),
            "d" => TimeSpan.FromDays(1),
            _ => TimeSpan.Zero,
        };
        return unit > TimeSpan.Zero
            && double.TryParse(number.TrimEnd(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var units)
            && units * unit.Ticks <= LongestDelay.Ticks
            ? TimeSpan.FromTicks((long)Math.Ceiling(units * unit.Ticks))
            : throw new MessagingConfigurationException(
                $"'{text}' is no retry policy: '{trimmed}' is not a delay such as 500ms, 10s, 1.5m, 2h or 1d, of at most {LongestDelay.TotalDays} days.");
    }

    private static TimeSpan Checked(TimeSpan delay) => delay >= TimeSpan.Zero && delay <= LongestDelay
        ? delay
        : throw new MessagingConfigurationException($"A retry delay is from zero to {LongestDelay.TotalDays} days; got {delay}.");
}

/// <summary>What becomes of a message whose attempts are used up.</summary>
public enum ExhaustedMessage
{
    /// <summary>It goes to the dead-letter queue, as <see cref="DeadLetterReason.Exhausted"/>.</summary>
    DeadLetter,

    /// <summary>It is gone; counted and logged, and warned of when the host starts.</summary>
    Discard,

    /// <summary>
    /// It goes back into its queue, and this process takes nothing more from that until the host starts again: for work where nothing may overtake what failed. What
    /// runs is finished, the queue is <see cref="QueueState.Paused"/> and the host not healthy. Another process that gets the message does the same.
    /// </summary>
    Stop,
}
