using Postrider.Throughput.Contenders;
using Postrider.Throughput.Scenarios;

namespace Postrider.Throughput.Orchestration;

/// <summary>A contender's own broker and its process.</summary>
internal sealed class Seat : IAsyncDisposable
{
    private readonly BrokerProcess _broker;
    private readonly Child _child;

    private Seat(BrokerProcess broker, Child child) => (_broker, _child) = (broker, child);

    /// <summary>The broker's.</summary>
    public string Version => _broker.Version;

    /// <summary>Whether the process did as it should.</summary>
    public bool IsGood { get; private set; } = true;

    public static async Task<Seat> OpenAsync(Entry entry, Size size, CancellationToken cancellationToken)
    {
        var broker = await BrokerProcess.StartAsync(entry.Broker, cancellationToken);
        try
        {
            return new(broker, Child.Start(broker.ConnectionString, entry, size));
        }
        catch
        {
            await broker.DisposeAsync();
            throw;
        }
    }

    public async Task<ChildReport> RunAsync(IReadOnlyList<Scenario> scenarios, CancellationToken cancellationToken)
    {
        var report = await _child.RunAsync(scenarios, cancellationToken);
        IsGood = report.Errors.Count == 0;
        return report;
    }

    public async ValueTask DisposeAsync()
    {
        await _child.DisposeAsync();
        await _broker.DisposeAsync();
    }
}
