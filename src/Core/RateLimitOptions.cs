namespace Postrider;

/// <summary>
/// How fast a queue is consumed at most (<see cref="ConsumerOptions.RateLimit"/>): what is more stays in the queue, is not claimed, holds no place and burns no attempt.
/// Or how fast each key of it is (<see cref="ConsumerOptions.RateLimitPerKey"/>).
/// </summary>
public sealed record RateLimitOptions
{
    /// <summary>How many messages a second, over time; at least one in an hour.</summary>
    public required double PerSecond { get; init; }

    /// <summary>How many may come at once after a rest; at least 1.</summary>
    public int Burst { get; init; } = 1;

    /// <summary>
    /// Whether the limit is that of all processes together. Each has an equal share then: the number of processes that consume the queue is known to each other
    /// within a second, in which a new one may exceed its share; the shares of processes that died are free after <see cref="MessagingOptions.ProcessTimeToLive"/>.
    /// It takes a state store.
    /// </summary>
    public bool Shared { get; init; }

    /// <summary>Why the options are wrong, or null.</summary>
    internal string? WhyWrong() =>
        !(PerSecond >= 1.0 / 3600 && double.IsFinite(PerSecond)) ? $"PerSecond is {PerSecond}; it is at least one in an hour."
        : Burst < 1 ? $"Burst is {Burst}; it is at least 1."
        : null;
}
