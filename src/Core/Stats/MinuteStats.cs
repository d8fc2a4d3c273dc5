namespace Postrider.Core.Stats;

/// <summary>What all hosts together handled of a queue in one minute. Immutable.</summary>
public sealed record MinuteStats
{
    /// <summary>When it began, in UTC.</summary>
    public DateTimeOffset Minute { get; init; }

    /// <summary>How many deliveries came to an outcome.</summary>
    public long Handled { get; init; }

    /// <summary>How many of them came from an exception.</summary>
    public long Failed { get; init; }

    /// <summary>How many of them are to be tried again.</summary>
    public long Retried { get; init; }

    /// <summary>How many of them became dead letters, but for the expired ones.</summary>
    public long DeadLettered { get; init; }

    /// <summary>How many messages the queue held at its end (<see cref="QueueStats.Depth"/>).</summary>
    public long Depth { get; init; }

    /// <summary>How long handlers ran on average, of the five to six minutes up to its end; zero if none did.</summary>
    public TimeSpan Mean { get; init; }

    /// <summary>How long 95 % of them ran at most; likewise.</summary>
    public TimeSpan Percentile95 { get; init; }

    /// <summary>How long 99 % of them ran at most; likewise.</summary>
    public TimeSpan Percentile99 { get; init; }
}
