using System.Diagnostics.Metrics;
using Postrider.Core.Hosting;

namespace Postrider.Core.Stats;

/// <summary>Keeps the rolling windows, and shares this host's numbers. It ends after messaging does.</summary>
internal sealed class StatsLoop(MessagingStats stats, StatsShare share, MinuteRows minutes, QueuePoll poll, TransportSet transports, TimeProvider time, IMeterFactory? meters = null) : IDisposable
{
    /// <summary>A look at the queues takes at most this share of the time, so that counting long ones is no load.</summary>
    private const int Share = 20;

    /// <summary>How long the store may take when the host ends; what is left there expires.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    private readonly Gauges _gauges = new(meters, stats, transports.Pools);
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _running = [];
    private bool _isStopped;

    public void Start()
    {
        if (share.IsPossible)
        {
            _running.Add(Task.Run(() => ShareAsync(_stop.Token), CancellationToken.None));
            _running.Add(Task.Run(() => WriteMinutesAsync(_stop.Token), CancellationToken.None));
        }

        _running.Add(Task.Run(() => PollAsync(_stop.Token), CancellationToken.None));
        _running.Add(Task.Run(() => TickAsync(_stop.Token), CancellationToken.None));
    }

    /// <summary>Once, however often the host is stopped.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _isStopped, true))
        {
            return;
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_running).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        using var grace = new CancellationTokenSource(Grace, time);
        using var soon = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, grace.Token);
        try
        {
            await share.RemoveAsync(soon.Token).ConfigureAwait(false);
            await poll.LeaveAsync(soon.Token).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The store is away: they expire.
        }
    }

    public void Dispose()
    {
        _gauges.Dispose();
        _stop.Dispose();
    }

    private async Task TickAsync(CancellationToken stop)
    {
        using var timer = new PeriodicTimer(RollingCounts.Tick, time);
        while (await timer.WaitForNextTickAsync(stop).ConfigureAwait(false))
        {
            stats.Tick();
        }
    }

    private async Task PollAsync(CancellationToken stop)
    {
        var pause = QueuePoll.UntilFirst;
        while (true)
        {
            await Task.Delay(pause, time, stop).ConfigureAwait(false);
            var began = time.GetTimestamp();
            try
            {
                await poll.LookAsync(stop).ConfigureAwait(false);
            }
            catch (Exception) when (!stop.IsCancellationRequested)
            {
                // Nobody knows who is to count; that the state store is away is told by what is shared through it.
            }

            var took = time.GetElapsedTime(began) * Share;
            pause = took > QueuePoll.Interval ? took : QueuePoll.Interval;
        }
    }

    private async Task WriteMinutesAsync(CancellationToken stop)
    {
        while (true)
        {
            await Task.Delay(minutes.UntilNext, time, stop).ConfigureAwait(false);
            try
            {
                await stats.WriteMinutesAsync(stop).ConfigureAwait(false);
            }
            catch (Exception) when (!stop.IsCancellationRequested)
            {
                // That the state store is away is told by what is shared through it; the next minute goes on from the last one that was written.
            }
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
