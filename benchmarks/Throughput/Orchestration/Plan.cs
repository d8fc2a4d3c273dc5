using Postrider.Throughput.Contenders;
using Postrider.Throughput.Scenarios;

namespace Postrider.Throughput.Orchestration;

/// <summary>What is to be run.</summary>
internal sealed record Plan(
    IReadOnlyList<Broker> Brokers, IReadOnlyList<Entry> Entries, IReadOnlyList<Scenario> Scenarios, Size Size, int Rounds, bool IsSmoke)
{
    /// <summary>The named sets, as <c>--set</c> takes them.</summary>
    public static readonly string[] Sets = ["smoke", "gate", "full"];

    /// <summary>Puts a set together, narrowed down by names; an empty list means all of the set.</summary>
    /// <exception cref="ArgumentException">A name is unknown.</exception>
    public static Plan Of(string set, string[] brokers, string[] contenders, string[] scenarios, int? rounds)
    {
        var full = set == "full";
        // All take time: the gate leaves to the full set whom no goal is measured against, the smoke test rivals that need a broker.
        var entries = Catalog.Entries.Where(entry => contenders.Length > 0
            ? contenders.Contains(entry.Name) || contenders.Contains(entry.Id)
            : full || entry.Role is Role.Raw or Role.Ours
                || (set == "gate" ? Goal.All.Any(goal => goal.Broker == entry.Broker && goal.With == entry.Name) : entry.Role == Role.Tuned || !entry.Broker.HoldsBacklog));
        var chosen = Suite.All.Where(scenario => scenarios.Length > 0 ? scenarios.Contains(scenario.Name) : full || scenario.IsGate);
        Check("broker", brokers, Catalog.Brokers.Select(static broker => broker.Name));
        Check("contender", contenders, Catalog.Entries.SelectMany(static entry => (string[])[entry.Name, entry.Id]));
        Check("scenario", scenarios, Suite.All.Select(static scenario => scenario.Name));
        return new(
            [.. Catalog.Brokers.Where(broker => brokers.Length == 0 || brokers.Contains(broker.Name))],
            [.. entries],
            [.. chosen],
            set switch
            {
                "smoke" => new(0.005, 2_000),
                "gate" => new(0.7, 100_000),
                _ => new(2, 1_000_000),
            },
            rounds ?? (set == "smoke" ? 1 : 5),
            set == "smoke");
    }

    /// <summary>What one process does, and what needs one of its own, of what fits the contender.</summary>
    public IEnumerable<IReadOnlyList<Scenario>> Processes(Entry entry)
    {
        var fitting = Scenarios.Where(scenario => scenario.Fits(entry)).ToList();
        var shared = fitting.Where(static scenario => scenario is { IsGate: true, NeedsOwnProcess: false }).ToList();
        return fitting.Except(shared).Select(static scenario => (IReadOnlyList<Scenario>)[scenario]).Prepend(shared).Where(static some => some.Count > 0);
    }

    private static void Check(string what, string[] names, IEnumerable<string> known)
    {
        if (names.Except(known).FirstOrDefault() is { } unknown)
        {
            throw new ArgumentException($"There is no {what} '{unknown}': it is one of {string.Join(", ", known.Distinct())}.");
        }
    }
}
