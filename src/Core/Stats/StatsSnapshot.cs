using System.Collections.Immutable;

namespace Postrider.Core.Stats;

/// <summary>The numbers of one messaging host, or of several together, at one moment. Immutable.</summary>
/// <remarks>As JSON by <see cref="StatsJson"/>.</remarks>
public sealed record StatsSnapshot
{
    private const int MostSlowRuns = 20;

    /// <summary>When it was taken; of several, the latest.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>Whose it is.</summary>
    public ImmutableArray<StatsProcess> Processes { get; init => field = value.IsDefault ? [] : value; } = [];

    /// <summary>What was handled, one for each consumer and queue, and one for what no consumer of a queue takes.</summary>
    public ImmutableArray<HandlingStats> Handling { get; init => field = value.IsDefault ? [] : value; } = [];

    /// <summary>What was published, one for each message type.</summary>
    public ImmutableArray<PublishStats> Publishing { get; init => field = value.IsDefault ? [] : value; } = [];

    /// <summary>The queues that are consumed.</summary>
    public ImmutableArray<QueueStats> Queues { get; init => field = value.IsDefault ? [] : value; } = [];

    /// <summary>The slowest runs of the last one to two hours, at most 20, the slowest first.</summary>
    public ImmutableArray<SlowRun> Slowest { get; init => field = value.IsDefault ? [] : value; } = [];

    /// <summary>All that was handled.</summary>
    public HandlingStats Handled => Handling.Aggregate(new HandlingStats(), static (sum, one) => sum.Merge(one));

    /// <summary>All that was published.</summary>
    public PublishStats Published => Publishing.Aggregate(new PublishStats(), static (sum, one) => sum.Merge(one));

    /// <summary>What was handled of each queue, by its name.</summary>
    public IReadOnlyDictionary<string, HandlingStats> ByQueue() => Group(static one => one.Queue, static queue => new() { Queue = queue });

    /// <summary>What each consumer handled, of all its queues, by its name.</summary>
    public IReadOnlyDictionary<string, HandlingStats> ByConsumer() => Group(static one => one.Consumer, static consumer => new() { Consumer = consumer });

    /// <summary>What was handled of each message type, by its name.</summary>
    public IReadOnlyDictionary<string, HandlingStats> ByType() => Group(static one => one.Type, static type => new() { Type = type });

    /// <summary>Several together, as if one host had counted all of it.</summary>
    public static StatsSnapshot Merge(IEnumerable<StatsSnapshot> snapshots)
    {
        StatsSnapshot[] all = [.. snapshots];
        return new()
        {
            At = all.Length == 0 ? default : all.Max(static one => one.At),
            Processes = [.. all.SelectMany(static one => one.Processes).DistinctBy(static one => one.Id).OrderBy(static one => one.Id, StringComparer.Ordinal)],
            Handling = Together(all.SelectMany(static one => one.Handling)),
            Publishing = [.. all.SelectMany(static one => one.Publishing)
                .GroupBy(static one => one.Type, static (_, same) => same.Aggregate(static (sum, one) => sum.Merge(one)))
                .OrderBy(static one => one.Type, StringComparer.Ordinal)],
            Queues = [.. all.SelectMany(static one => one.Queues)
                .GroupBy(static one => one.Queue, static (_, same) => same.Aggregate(static (sum, one) => sum.Merge(one)))
                .OrderBy(static one => one.Queue, StringComparer.Ordinal)],
            Slowest = SlowestOf(all.SelectMany(static one => one.Slowest)),
        };
    }

    internal static ImmutableArray<HandlingStats> Together(IEnumerable<HandlingStats> all) =>
    [
        .. all.GroupBy(static one => (one.Queue, one.Consumer, one.Type), static (_, same) => same.Aggregate(static (sum, one) => sum.Merge(one)))
            .OrderBy(static one => one.Queue, StringComparer.Ordinal).ThenBy(static one => one.Consumer, StringComparer.Ordinal)
            .ThenBy(static one => one.Type, StringComparer.Ordinal),
    ];

    internal static ImmutableArray<SlowRun> SlowestOf(IEnumerable<SlowRun> runs) => [.. runs.OrderByDescending(static run => run.Duration).Take(MostSlowRuns)];

    private Dictionary<string, HandlingStats> Group(Func<HandlingStats, string?> by, Func<string, HandlingStats> first) =>
        Handling.Where(one => by(one) is not null)
            .GroupBy(one => by(one)!, (name, same) => same.Aggregate(first(name), static (sum, one) => sum.Merge(one)), StringComparer.Ordinal)
            .ToDictionary(one => by(one)!, StringComparer.Ordinal);
}
