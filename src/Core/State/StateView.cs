using System.Collections.ObjectModel;
using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.Supervision;

namespace Postrider.Core.State;

/// <summary>What is below a prefix of the state store, kept up to date in the background, for whoever must not wait for the store. Thread-safe.</summary>
/// <remarks>While the store is away it stays what it was.</remarks>
internal sealed class StateView : IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>The time in which a watch tells of a change, twice.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(2);

    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _known = NewSignal();
    private readonly Task _running;
    private volatile TaskCompletionSource _changed = NewSignal();

    public StateView(IStateStore store, string prefix, TimeProvider time, ILogger logger)
    {
        // What is read here belongs to no caller's trace.
        using (ExecutionContext.SuppressFlow())
        {
            _running = Task.Run(() => RunAsync(store, prefix, time, logger));
        }
    }

    /// <summary>Empty until it is known.</summary>
    public IReadOnlyDictionary<string, StateEntry> Entries { get; private set; } = ReadOnlyDictionary<string, StateEntry>.Empty;

    /// <summary>Completes when it was read for the first time, or when it is clear that waiting does not help.</summary>
    public Task Known => _known.Task;

    /// <summary>Completes at the next change. Take it before looking at <see cref="Entries"/>, so that none is missed.</summary>
    public Task Changed => _changed.Task;

    /// <summary>Waits until it shows what the store was just told, or another has changed; not for long when nothing comes.</summary>
    /// <param name="condition">What the entries are to be like.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task UntilAsync(Func<IReadOnlyDictionary<string, StateEntry>, bool> condition, CancellationToken cancellationToken)
    {
        for (var changed = Changed; !condition(Entries); changed = Changed)
        {
            await changed.WaitAsync(Soon, TimeProvider.System, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!changed.IsCompleted)
            {
                return;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task RunAsync(IStateStore store, string prefix, TimeProvider time, ILogger logger)
    {
        var backoff = new Backoff(FirstPause, LongestPause);
        string? told = null;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await foreach (var entries in store.WatchAsync(prefix, _stop.Token).ConfigureAwait(false))
                {
                    backoff.Reset();
                    if (told is not null)
                    {
                        logger.StateReadAgain(prefix);
                        told = null;
                    }

                    Entries = entries;
                    _known.TrySetResult();
                    Interlocked.Exchange(ref _changed, NewSignal()).TrySetResult();
                }
            }
            catch (Exception e) when (!_stop.IsCancellationRequested)
            {
                var pause = backoff.Next();
                if (e is not StateStoreException { IsTransient: true })
                {
                    _known.TrySetResult();
                }

                // Once: what is wrong may be long, and last.
                if (told != e.Message)
                {
                    logger.StateNotRead(prefix, e.Message);
                    told = e.Message;
                }

                await Task.Delay(pause, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
