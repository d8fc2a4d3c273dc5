namespace Postrider.Storefront;

/// <summary>The figures of a run.</summary>
public sealed record Figures(
    long Published, long NotPublished, long Blank, TimeSpan Elapsed, IReadOnlyList<ConsumerFigures> Consumers, IReadOnlyList<string> Refusals)
{
    public double PerSecond => Consumers.Sum(consumer => consumer.Handled + consumer.DeadLetters) / Math.Max(Elapsed.TotalSeconds, 0.001);

    public long Unaccounted => Consumers.Sum(consumer => (long)consumer.Outstanding.Count);
}

/// <summary>The figures of one consumer.</summary>
public sealed record ConsumerFigures(
    string Queue, long Handled, long Retries, long Duplicates, long DeadLetters, IReadOnlyDictionary<DeadLetterReason, (long Count, (long Line, string? Why) First)> Reasons,
    IReadOnlyCollection<long> Outstanding, Percentiles FirstAttempts, Percentiles Latency);

/// <summary>One consumer's account.</summary>
public sealed class ConsumerAccount(string queue)
{
    public long Handled { get; set; }

    public long Retries { get; set; }

    public long Duplicates { get; set; }

    public long DeadLetters { get; set; }

    public Dictionary<DeadLetterReason, (long Count, (long Line, string? Why) First)> Reasons { get; } = [];

    /// <summary>The lines that are published, and neither handled nor dead-lettered.</summary>
    public SortedSet<long> Outstanding { get; } = [];

    public Latencies FirstAttempts { get; } = new();

    public Latencies Latency { get; } = new();

    public ConsumerFigures Read() => new(
        queue, Handled, Retries, Duplicates, DeadLetters, new Dictionary<DeadLetterReason, (long Count, (long Line, string? Why) First)>(Reasons), [.. Outstanding],
        FirstAttempts.Read(), Latency.Read());
}

/// <summary>Half of them, and all but one in a hundred, took no longer than this.</summary>
public readonly record struct Percentiles(TimeSpan P50, TimeSpan P99);

/// <summary>Counts latencies in classes that grow by 5 %: any number of them in the same memory.</summary>
public sealed class Latencies
{
    private const double Smallest = 0.01;
    private const double Growth = 1.05;
    private readonly long[] _classes = new long[500];
    private long _count;

    public void Add(TimeSpan latency)
    {
        var place = Math.Log(Math.Max(latency.TotalMilliseconds, Smallest) / Smallest, Growth);
        _classes[Math.Min((int)place, _classes.Length - 1)]++;
        _count++;
    }

    public Percentiles Read() => new(At(0.5), At(0.99));

    private TimeSpan At(double share)
    {
        var left = (long)Math.Ceiling(_count * share);
        for (var i = 0; i < _classes.Length && left > 0; i++)
        {
            left -= _classes[i];
            if (left <= 0)
            {
                return TimeSpan.FromMilliseconds(Smallest * Math.Pow(Growth, i + 1));
            }
        }

        return TimeSpan.Zero;
    }
}
