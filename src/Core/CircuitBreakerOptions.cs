namespace Postrider;

/// <summary>
/// When the consumers of a queue are spared: after too many failures nothing is taken from it for a while, in no process. Then one process tries one message at a
/// time: a success lets all go on, a failure makes the pause twice as long. Nothing is lost and no attempt is burnt by it.
/// </summary>
public sealed record CircuitBreakerOptions
{
    /// <summary>It opens after so many failures without a success in between, in one process; at least 1.</summary>
    public int Failures { get; init; } = 5;

    /// <summary>
    /// If it is set, it opens instead when at least this share of what was handled within <see cref="Window"/>, in one process, has failed: more than 0, at most 1.
    /// </summary>
    public double? FailureRatio { get; init; }

    /// <summary>The time that <see cref="FailureRatio"/> looks back; from 1 s to an hour.</summary>
    public TimeSpan Window { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How much must have been handled within the window before <see cref="FailureRatio"/> counts.</summary>
    public int MinimumHandled { get; init; } = 10;

    /// <summary>The first pause; at least 100 ms. Each further one without a success in between is twice as long.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The longest pause.</summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Which exceptions are failures; null: all. Others are neither failures nor successes.</summary>
    public Func<Exception, bool>? Counts { get; init; }

    /// <summary>Why the options are wrong, or null.</summary>
    internal string? WhyWrong() =>
        Failures < 1 ? $"Failures is {Failures}; it is at least 1."
        : FailureRatio is <= 0 or > 1 or double.NaN ? $"FailureRatio is {FailureRatio}; it is more than 0 and at most 1."
        : Window < TimeSpan.FromSeconds(1) || Window > TimeSpan.FromHours(1) ? $"Window is {Window}; it is from 1 s to an hour."
        : MinimumHandled < 1 ? $"MinimumHandled is {MinimumHandled}; it is at least 1."
        : Pause < Core.State.StateKey.ShortestLife ? $"Pause is {Pause}; it is at least 100 ms."
        : LongestPause < Pause || LongestPause > TimeSpan.FromDays(1) ? $"LongestPause is {LongestPause}; it is at least Pause and at most a day."
        : null;
}
