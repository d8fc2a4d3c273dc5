using Postrider.Core.Consuming;

namespace Postrider.Core.Hosting;

/// <summary>Which queue is in which pool, and which are run by this process.</summary>
internal sealed class PoolPlan
{
    /// <summary>Has all queues that are in no other pool, unless it says which.</summary>
    private const string TheRest = "default";

    /// <summary>More than there are queues of one entry of a list.</summary>
    private const int MostOfAnEntry = 100_000;

    private readonly List<Planned> _pools;
    private readonly IReadOnlyCollection<string> _run;
    private int _number;

    /// <summary>Gives the consumers their places, those of patterns aside.</summary>
    /// <exception cref="MessagingConfigurationException">Something does not fit.</exception>
    public PoolPlan(IReadOnlyList<ConsumerRegistration> consumers, IReadOnlyDictionary<string, PoolOptions> pools, IReadOnlyCollection<string> run)
    {
        _pools = [.. pools.Select(static pool => new Planned(pool.Key, pool.Value))];
        _run = run;
        Check(consumers);
        foreach (var queue in consumers.Where(static one => !one.IsPattern).GroupBy(static one => one.Queue, StringComparer.Ordinal))
        {
            var place = Place(queue.Key, queue.First().Options.Pool);
            foreach (var consumer in queue)
            {
                consumer.Pool = place;
                consumer.IsRun = IsRun(place);
            }
        }
    }

    public IReadOnlyList<WorkerPool> Pools => _pools.ConvertAll(static one => one.Pool);

    /// <summary>Those that this process runs.</summary>
    public IEnumerable<WorkerPool> Run => Pools.Where(IsRun);

    /// <summary>A new queue's place: in the pool that is chosen for it, that lists it, or that has the rest; null if none does.</summary>
    public PoolPlace? Place(string queue, string? chosen)
    {
        var planned = chosen is not null ? _pools.Find(one => one.Is(chosen)) : _pools.Find(one => one.Lists(queue)) ?? _pools.Find(static one => one.HasRest);
        return planned is null ? null : new(planned.Pool, (planned.RankOf(queue) * MostOfAnEntry) + Interlocked.Increment(ref _number));
    }

    public bool IsRun(PoolPlace? place) => IsRun(place?.Pool);

    /// <summary>The names of the pools that a consumer's queue is in, or that queues of its pattern may be in, as far as they are run.</summary>
    private IEnumerable<string> PoolsOf(ConsumerRegistration consumer) =>
        from pool in consumer.IsPattern ? _pools.Where(one => one.MayHave(consumer)).Select(static one => one.Pool) : new[] { consumer.Pool?.Pool }.OfType<WorkerPool>()
        where IsRun(pool)
        select pool.Name;

    /// <summary>By queue and pattern.</summary>
    public ILookup<string, string> PoolsOf(IEnumerable<ConsumerRegistration> consumers) => consumers.SelectMany(PoolsOf, static (consumer, pool) => (consumer.Queue, pool)).Distinct()
        .ToLookup(static one => one.Queue, static one => one.pool, StringComparer.Ordinal);

    /// <summary>Whether this process may get a queue of the pattern to consume.</summary>
    public bool MayRun(ConsumerRegistration pattern) => _run.Count == 0 || PoolsOf(pattern).Any();

    private bool IsRun(WorkerPool? pool) => _run.Count == 0 || (pool is not null && _run.Contains(pool.Name, StringComparer.OrdinalIgnoreCase));

    private void Check(IReadOnlyList<ConsumerRegistration> consumers)
    {
        string[] queues = [.. consumers.Select(static one => one.Queue).Distinct(StringComparer.Ordinal)];
        foreach (var consumer in consumers.Where(static one => one.Options.Pool is not null))
        {
            Require(
                _pools.Exists(one => one.Is(consumer.Options.Pool!)),
                $"The consumer '{consumer.Name}' of the queue '{consumer.Queue}' is in the pool '{consumer.Options.Pool}', which is not known.{Hint(consumer.Options.Pool!)}");
        }

        foreach (var pool in _pools)
        {
            Require(pool.Options.Concurrency is > 0 and <= 10_000, $"The pool '{pool.Name}' has a Concurrency of {pool.Options.Concurrency}; it is from 1 to 10000.");
            foreach (var entry in pool.Options.Queues)
            {
                Require(
                    QueuePattern.Is(entry) || Array.Exists(queues, queue => QueuePattern.Overlap(queue, entry)),
                    $"The pool '{pool.Name}' has the queue '{entry}', but no consumer has such a queue.{Nearest.Hint(entry, queues)}");
            }
        }

        foreach (var consumer in consumers)
        {
            CheckOverlap(consumer);
        }

        foreach (var name in _run)
        {
            Require(_pools.Exists(one => one.Is(name)), $"RunPools names '{name}', which is no pool.{Hint(name)}");
        }
    }

    /// <summary>What is said of one pool, by the consumer or a list, must not fit what a list of another says.</summary>
    private void CheckOverlap(ConsumerRegistration consumer)
    {
        var said = new List<(string Pool, string Queues)>();
        if (consumer.Options.Pool is { } chosen)
        {
            said.Add((chosen, consumer.Queue));
        }

        foreach (var pool in _pools)
        {
            foreach (var entry in pool.Options.Queues.Where(entry => QueuePattern.Overlap(entry, consumer.Queue)))
            {
                var other = said.Find(one => !pool.Is(one.Pool) && QueuePattern.Overlap(one.Queues, entry)).Pool;
                Require(
                    other is null,
                    consumer.IsPattern
                        ? $"A queue of the consumer '{consumer.Name}' of '{consumer.Queue}' may be in two pools, '{other}' and '{pool.Name}', which lists '{entry}'. Pools may not overlap: take it out of one of them."
                        : $"The queue '{consumer.Queue}' is in two pools, '{other}' and '{pool.Name}'. Pools may not overlap: take it out of one of them.");
                said.Add((pool.Name, entry));
            }
        }
    }

    private string Hint(string name) => Nearest.Hint(name, _pools.Select(static one => one.Name));

    private static void Require(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new MessagingConfigurationException(otherwise);
        }
    }

    private sealed record Planned(string Name, PoolOptions Options)
    {
        public WorkerPool Pool { get; } = new(Name, Options.Concurrency, Options.Strict);

        public bool HasRest => Is(TheRest) && Options.Queues.IsDefaultOrEmpty;

        public bool Is(string name) => Name.Equals(name, StringComparison.OrdinalIgnoreCase);

        public bool Lists(string queue) => Options.Queues.Any(entry => QueuePattern.Matches(entry, queue));

        public bool MayHave(ConsumerRegistration pattern) =>
            pattern.Options.Pool is { } chosen ? Is(chosen) : HasRest || Options.Queues.Any(entry => QueuePattern.Overlap(entry, pattern.Queue));

        /// <summary>The place in the list; those that are not listed come last.</summary>
        public int RankOf(string queue)
        {
            var rank = 0;
            while (rank < Options.Queues.Length && !QueuePattern.Matches(Options.Queues[rank], queue))
            {
                rank++;
            }

            return rank;
        }
    }
}
