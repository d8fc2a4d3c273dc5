using System.Diagnostics;
using Postrider.Throughput.Measuring;

namespace Postrider.Throughput.Scenarios;

/// <summary>From the start of the process to the first message handled.</summary>
internal sealed class StartUp : Scenario
{
    public const string FirstMessage = "first message, ms";

    public StartUp()
        : base("start-up", "Start-up to the first message") => NeedsOwnProcess = true;

    public override async Task<Figures> RunAsync(Ring ring)
    {
        await using var bench = await ring.OpenAsync(new() { Capacity = 1000, OneHost = true });
        await bench.Contender.ConsumeAsync();
        await bench.PublishAsync(1);
        await bench.AllHandledAsync();
        using var process = Process.GetCurrentProcess();
        var elapsed = TimeProvider.System.GetLocalNow() - process.StartTime;
        return bench.Account(new() { [FirstMessage] = elapsed.TotalMilliseconds });
    }
}
