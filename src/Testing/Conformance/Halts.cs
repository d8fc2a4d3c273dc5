using System.Diagnostics;

namespace Postrider.Testing.Conformance;

/// <summary>For how long the machine has halted this process: what a rule about time cannot be blamed for.</summary>
internal sealed class Halts : IAsyncDisposable
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(10);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _watching;
    private long _total;

    public Halts() => _watching = Task.Run(WatchAsync);

    /// <summary>By how much ticks came late, all in all.</summary>
    public TimeSpan Total => TimeSpan.FromTicks(Volatile.Read(ref _total));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task WatchAsync()
    {
        while (true)
        {
            var before = Stopwatch.GetTimestamp();
            await Task.Delay(Tick, TimeProvider.System, _stop.Token).ConfigureAwait(false);
            var late = Stopwatch.GetElapsedTime(before) - Tick;
            Volatile.Write(ref _total, _total + (late > Tick ? late.Ticks : 0));
        }
    }
}
