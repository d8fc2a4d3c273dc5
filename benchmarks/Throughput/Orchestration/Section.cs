using Postrider.Throughput.Contenders;
using Postrider.Throughput.Measuring;
using Postrider.Throughput.Scenarios;

namespace Postrider.Throughput.Orchestration;

/// <summary>All that was measured on one broker.</summary>
internal sealed class Section(Broker broker)
{
    private readonly Dictionary<(int Round, string Contender, string Scenario), Figures> _figures = [];

    public Broker Broker { get; } = broker;

    /// <summary>The broker's.</summary>
    public string Version { get; set; } = "";

    /// <summary>What went wrong.</summary>
    public List<string> Errors { get; } = [];

    /// <summary>Messages that a broker has confirmed, in all scenarios together.</summary>
    public long Published { get; private set; }

    public void Add(int round, ChildReport report)
    {
        foreach (var (scenario, figures) in report.Results)
        {
            _figures[(round, report.Contender, scenario)] = figures;
            Published += (long)figures.GetValueOrDefault(Figures.Published);
            if (figures.GetValueOrDefault(Figures.Lost) != 0)
            {
                Errors.Add($"{report.Contender} {scenario}: {figures[Figures.Lost]:N0} of {figures[Figures.Published]:N0} messages were lost");
            }
        }

        Errors.AddRange(report.Errors.Select(error => $"{report.Contender} {error.Key}: {error.Value}"));
    }

    public bool Has(Entry entry, Scenario scenario) => _figures.Keys.Any(key => key.Contender == entry.Id && key.Scenario == scenario.Name);

    /// <summary>A figure over the rounds.</summary>
    public Spread? Values(Entry entry, Scenario scenario, string figure) => Spread.Of(
        Rounds.Select(round => Value(round, entry, scenario, figure)));

    /// <summary>What one makes of a figure and the same one of another contender, in the same round each time.</summary>
    public Spread? Compared(Entry entry, Entry with, Scenario scenario, string figure, Func<double, double, double> compare) => Spread.Of(
        Rounds.Select(round => Value(round, entry, scenario, figure) is { } own && Value(round, with, scenario, figure) is { } other
            ? compare(own, other)
            : (double?)null));

    private IEnumerable<int> Rounds => _figures.Keys.Select(static key => key.Round).Distinct();

    private double? Value(int round, Entry entry, Scenario scenario, string figure) =>
        _figures.TryGetValue((round, entry.Id, scenario.Name), out var figures) && figures.TryGetValue(figure, out var value) ? value : null;
}

/// <summary>A median, and how far the rounds are apart.</summary>
internal sealed record Spread(double Median, double Least, double Most)
{
    public static Spread? Of(IEnumerable<double?> values)
    {
        var sorted = values.OfType<double>().Order().ToArray();
        return sorted.Length == 0 ? null : new((sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2, sorted[0], sorted[^1]);
    }
}
