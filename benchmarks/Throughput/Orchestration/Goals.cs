using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;
using Postrider.Throughput.Scenarios;

namespace Postrider.Throughput.Orchestration;

/// <summary>Something that Postrider is to reach beside another contender, in the median of the rounds.</summary>
/// <param name="Broker">On which broker.</param>
/// <param name="Scenario">In which scenario.</param>
/// <param name="Figure">By which figure.</param>
/// <param name="With">Beside whom.</param>
/// <param name="Least">The ratio is at least this.</param>
/// <param name="Most">Or at most this.</param>
/// <param name="More">Or the figure is at most so much more.</param>
/// <param name="Absolute">Or the figure by itself is at most this.</param>
internal sealed record Goal(
    Broker Broker, string Scenario, string Figure, string With,
    double? Least = null, double? Most = null, double? More = null, double? Absolute = null)
{
    private const double AtRaw = 0.97;

    public static readonly IReadOnlyList<Goal> All =
    [
        new(Catalog.InMemory, "both-16", Figures.Rate, "channel", Least: 0.6),
        new(Catalog.InMemory, "both-16", Figures.Rate, "masstransit", Least: 6),
        new(Catalog.InMemory, "both-16", Figures.Rate, "rebus", Least: 6),
        new(Catalog.InMemory, "both-16", Figures.Rate, "wolverine", Least: 1),
        new(Catalog.Pgmq, "publish-1000", Figures.Rate, "raw", Least: 8),
        new(Catalog.Pgmq, "publish-1000", Figures.Rate, "tuned", Least: 0.95),
        .. Scenarios("consume-1", "consume-16", "both-16", name => new(Catalog.Pgmq, name, Figures.Rate, "tuned", Least: 0.95)),
        new(Catalog.Pgmq, "latency-500", Figures.P50, "raw", Absolute: 2000),
        new(Catalog.RabbitMq, "publish-1000", Figures.Rate, "raw", Least: AtRaw),
        new(Catalog.RabbitMq, "publish-1000", Figures.Bytes, "raw", Absolute: 1024),
        new(Catalog.RabbitMq, "publish-1000", Figures.Cpu, "raw", Most: 1.2),
        .. Scenarios("consume-1", "consume-16", "both-16", name => new(Catalog.RabbitMq, name, Figures.Rate, "raw", Least: AtRaw)),
        .. Scenarios("consume-1", "consume-16", "both-16", name => new(Catalog.RabbitMq, name, Figures.Bytes, "raw", More: 200)),
        new(Catalog.Nats, "publish-1000", Figures.Rate, "raw", Least: 1.3),
        new(Catalog.Nats, "publish-1000", Figures.Bytes, "raw", Absolute: 1536),
        .. Scenarios("consume-1", "consume-16", "both-16", name => new(Catalog.Nats, name, Figures.Rate, "raw", Least: AtRaw)),
        .. Scenarios("consume-1", "consume-16", "both-16", name => new(Catalog.Nats, name, Figures.Bytes, "raw", Most: 1)),
        .. Catalog.Brokers.Select(broker => new Goal(broker, "publish-1", Figures.P50, broker == Catalog.InMemory ? "channel" : "raw", More: 30)),
        .. Catalog.Brokers.Where(broker => broker != Catalog.Pgmq)
            .Select(broker => new Goal(broker, "latency-500", Figures.P50, broker == Catalog.InMemory ? "channel" : "raw", More: 60)),
        .. Catalog.Brokers.Select(broker => new Goal(broker, "latency-500", Figures.P99, broker == Catalog.InMemory ? "channel" : "raw", Most: 1.3)),
        .. Catalog.Brokers.Where(broker => broker.HoldsBacklog).SelectMany(broker => Scenarios(
            "publish-4k", "publish-64k", "consume-4k", "consume-64k", name => new(broker, name, Figures.Rate, broker == Catalog.Pgmq ? "tuned" : "raw", Least: 0.95))),
        .. Catalog.Brokers.Select(broker => new Goal(
            broker, "start-up", StartUp.FirstMessage, broker == Catalog.InMemory ? "channel" : "raw", More: 100)),
        .. Catalog.Brokers.Select(broker => new Goal(broker, "idle", Idle.WorkingSet, broker == Catalog.InMemory ? "channel" : "raw", More: 12)),
        new(Catalog.Pgmq, "idle", Idle.Core, "raw", Absolute: 0.5),
        .. Catalog.Brokers.SelectMany(broker => (Goal[])[
            new(broker, "soak", Soak.BytesRatio, broker == Catalog.InMemory ? "channel" : "raw", Absolute: 1.05),
            new(broker, "soak", Soak.MemoryRatio, broker == Catalog.InMemory ? "channel" : "raw", Absolute: 1.1),
            new(broker, "soak", Soak.Handles, broker == Catalog.InMemory ? "channel" : "raw", Absolute: 2),
        ]),
    ];

    public string Text =>
        Least is { } least ? $"≥ {least} of {With}"
        : Most is { } most ? $"≤ {most} of {With}"
        : More is { } more ? $"≤ {With} + {more}"
        : $"≤ {Absolute}";

    /// <summary>What was reached, if both took part.</summary>
    public Spread? Reached(Section section)
    {
        var ours = Catalog.Entries.FirstOrDefault(entry => entry.Broker == Broker && entry.Role == Role.Ours);
        var other = Catalog.Entries.FirstOrDefault(entry => entry.Broker == Broker && entry.Name == With);
        if (ours is null || other is null || section.Broker != Broker)
        {
            return null;
        }

        var scenario = Suite.All.First(one => one.Name == Scenario);
        return Absolute is not null
            ? section.Values(ours, scenario, Figure)
            : section.Compared(ours, other, scenario, Figure, (own, theirs) => More is not null ? own - theirs : own / theirs);
    }

    public bool IsMet(Spread reached) => Least is { } least ? reached.Median >= least : reached.Median <= (Most ?? More ?? Absolute);

    private static Goal[] Scenarios(string first, string second, string third, Func<string, Goal> goal) => [goal(first), goal(second), goal(third)];

    private static Goal[] Scenarios(string first, string second, string third, string fourth, Func<string, Goal> goal) =>
        [goal(first), goal(second), goal(third), goal(fourth)];
}
