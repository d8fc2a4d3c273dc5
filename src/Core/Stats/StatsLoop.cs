namespace Postrider.Core.Stats;

/// <summary>Keeps the rolling windows, and shares this host's numbers. It ends after messaging does.</summary>
internal sealed class StatsLoop(MessagingStats stats, StatsShare share, TimeProvider time) : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _running = [];

    public void Start()
    {
        if (share.IsPossible)
        {
            _running.Add(Task.Run(() => ShareAsync(_stop.Token), CancellationToken.None));
        }

        _running.Add(Task.Run(() => TickAsync(_stop.Token), CancellationToken.None));
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_running).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await share.RemoveAsync(cancellationToken).ConfigureAwait(false);
    }

    public void Dispose() => _stop.Dispose();

    private async Task TickAsync(CancellationToken stop)
    {
        using var timer = new PeriodicTimer(RollingCounts.Tick, time);
        while (await timer.WaitForNextTickAsync(stop).ConfigureAwait(false))
        {
            stats.Tick();
        }
    }

    /// <summary>Apart from the ticks, as it waits for a server.</summary>
    private async Task ShareAsync(CancellationToken stop)
    {
        using var timer = new PeriodicTimer(StatsShare.Interval, time);
        while (await timer.WaitForNextTickAsync(stop).ConfigureAwait(false))
        {
            await share.PutAsync(stats.GetOwn(), stop).ConfigureAwait(false);
        }
    }
}
