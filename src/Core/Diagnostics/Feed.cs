using System.Threading.Channels;

namespace Postrider.Core.Diagnostics;

/// <summary>Tells somebody's code of things, in order and beside the work, which nothing that this code does can hold up or break.</summary>
/// <param name="listeners">Whom to tell.</param>
/// <param name="tell">Tells one.</param>
/// <param name="lost">Too much waits: one thing is not told.</param>
/// <param name="failed">One threw.</param>
/// <param name="time">The clock.</param>
internal sealed class Feed<TListener, TItem>(
    IReadOnlyList<TListener> listeners, Func<TListener, TItem, CancellationToken, ValueTask> tell, Action lost, Action<TListener, TItem, Exception> failed, TimeProvider time)
    : IAsyncDisposable
{
    private const int MostWaiting = 1024;
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);

    private readonly Channel<TItem> _waiting = Channel.CreateBounded<TItem>(new BoundedChannelOptions(MostWaiting) { SingleReader = true });
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    public void Start() => _running = listeners.Count == 0 ? Task.CompletedTask : Task.Run(RunAsync);

    public void Add(TItem item)
    {
        if (listeners.Count > 0 && !_waiting.Writer.TryWrite(item))
        {
            lost();
        }
    }

    /// <summary>What waits is still told, for a short while.</summary>
    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        await _running.WaitAsync(Farewell, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _stop.CancelAsync().ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        await foreach (var item in _waiting.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            foreach (var listener in listeners)
            {
                if (_stop.IsCancellationRequested)
                {
                    return;
                }

                try
                {
                    await tell(listener, item, _stop.Token).ConfigureAwait(false);
                }
                catch (Exception e) when (!_stop.IsCancellationRequested)
                {
                    failed(listener, item, e);
                }
            }
        }
    }
}
