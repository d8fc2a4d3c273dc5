using Microsoft.Extensions.Hosting;

namespace Postrider.Testing.Harness;

/// <summary>
/// Moves the clock while the host stops: otherwise a handler that does not end would never be cancelled by the drain, whose time stands still. Registered last,
/// so it is told first.
/// </summary>
internal sealed class ClockAtStop(TestSetup setup) : IHostedService, IDisposable
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Step = TimeSpan.FromSeconds(1);

    private readonly PeriodicTimer _timer = new(Tick, TimeProvider.System);

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken)
    {
        _ = RunAsync();
        return Task.CompletedTask;
    }

    public void Dispose() => _timer.Dispose();

    private async Task RunAsync()
    {
        while (setup.FakeTime is { } time && await _timer.WaitForNextTickAsync().ConfigureAwait(false))
        {
            time.Advance(Step);
        }
    }
}
