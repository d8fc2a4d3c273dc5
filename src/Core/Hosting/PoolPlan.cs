using Postrider.Core.Consuming;

namespace Postrider.Core.Hosting;

/// <summary>Which queue is in which pool, and which are run by this process.</summary>
internal static class PoolPlan
{
    /// <summary>Has all queues that are in no other pool, unless it says which.</summary>
    private const string TheRest = "default";

    /// <summary>Gives the consumers their places.</summary>
    /// <exception cref="MessagingConfigurationException">Something does not fit.</exception>
    public static IReadOnlyList<WorkerPool> Apply(IReadOnlyList<ConsumerRegistration> consumers, IReadOnlyDictionary<string, PoolOptions> pools, IReadOnlyCollection<string> run)
    {
        string[] queues = [.. consumers.Select(static one => one.Queue).Distinct(StringComparer.Ordinal)];
        var poolOf = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var consumer in consumers.Where(static one => one.Options.Pool is not null))
        {
            Require(
                pools.ContainsKey(consumer.Options.Pool!),
                $"The consumer '{consumer.Name}' of the queue '{consumer.Queue}' is in the pool '{consumer.Options.Pool}', which is not known.{Nearest.Hint(consumer.Options.Pool!, pools.Keys)}");
            poolOf[consumer.Queue] = consumer.Options.Pool!;
        }

        foreach (var (name, options) in pools)
        {
            Require(options.Concurrency is > 0 and <= 10_000, $"The pool '{name}' has a Concurrency of {options.Concurrency}; it is from 1 to 10000.");
            foreach (var pattern in options.Queues)
            {
                Require(
                    pattern.EndsWith('*') || queues.Contains(pattern, StringComparer.Ordinal),
                    $"The pool '{name}' has the queue '{pattern}', but no consumer has such a queue.{Nearest.Hint(pattern, queues)}");
                foreach (var queue in queues.Where(queue => Matches(pattern, queue)))
                {
                    var other = poolOf.GetValueOrDefault(queue, name);
                    Require(Same(other, name), $"The queue '{queue}' is in two pools, '{other}' and '{name}'. Pools may not overlap: take it out of one of them.");
                    poolOf[queue] = name;
                }
            }
        }

        foreach (var queue in queues.Where(queue => !poolOf.ContainsKey(queue) && pools.TryGetValue(TheRest, out var rest) && rest.Queues.IsDefaultOrEmpty))
        {
            poolOf[queue] = TheRest;
        }

        foreach (var name in run)
        {
            Require(pools.ContainsKey(name), $"RunPools names '{name}', which is no pool.{Nearest.Hint(name, pools.Keys)}");
        }

        var built = new List<WorkerPool>();
        foreach (var (name, options) in pools)
        {
            var pool = new WorkerPool(name, options.Concurrency, options.Strict);
            built.Add(pool);
            var members = queues.Where(queue => poolOf.TryGetValue(queue, out var its) && Same(its, name)).OrderBy(queue => RankOf(queue, options)).ToList();
            foreach (var consumer in consumers.Where(one => members.Contains(one.Queue, StringComparer.Ordinal)))
            {
                consumer.Pool = new(pool, members.IndexOf(consumer.Queue));
            }
        }

        foreach (var consumer in consumers)
        {
            consumer.IsRun = run.Count == 0 || (consumer.Pool is { } its && run.Contains(its.Pool.Name, StringComparer.OrdinalIgnoreCase));
        }

        return built;
    }

    private static bool Matches(string pattern, string queue) =>
        pattern.EndsWith('*') ? queue.StartsWith(pattern[..^1], StringComparison.Ordinal) : queue == pattern;

    private static bool Same(string one, string other) => one.Equals(other, StringComparison.OrdinalIgnoreCase);

    /// <summary>Those that are not listed come last.</summary>
    private static int RankOf(string queue, PoolOptions options)
    {
        for (var i = 0; i < options.Queues.Length; i++)
        {
            if (Matches(options.Queues[i], queue))
            {
                return i;
            }
        }

        return int.MaxValue;
    }

    private static void Require(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new MessagingConfigurationException(otherwise);
        }
    }
}
