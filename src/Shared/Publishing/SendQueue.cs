using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Postrider.Core.Transport;
using Postrider.Pooling;

namespace Postrider.Publishing;

/// <summary>
/// Calls that wait to be sent, and the turns to send them. Nobody is woken for a lone one: its caller sends it. What comes while all turns are taken is
/// sent by those who have them.
/// </summary>
/// <param name="turns">How many may send at once.</param>
/// <param name="send">Sends until nothing is waiting, and throws nothing. Begins on the thread of a caller, with its context.</param>
/// <param name="disposed">What becomes of calls after <see cref="DisposeAsync"/>.</param>
internal sealed class SendQueue<TCall, TItem>(int turns, Func<Task> send, Func<Exception> disposed) : IAsyncDisposable
    where TCall : PublishCall<TItem>, new()
    where TItem : struct, IPublishItem
{
    private readonly ConcurrentQueue<TCall> _waiting = new();
    private readonly SemaphoreSlim _turns = new(turns);
    private volatile bool _closed;

    /// <summary>To be filled, and given back by <see cref="SendAsync"/>.</summary>
    [SuppressMessage("Performance", "CA1822", Justification = "Which pool it comes from is the queue's business.")]
    public TCall Begin() => Pool<TCall>.Take() ?? new();

    /// <summary>Completes when each message of the call has its result. Cancelling ends the wait.</summary>
    [AsyncMethodBuilder(typeof(PooledAsyncMethodBuilder))]
    public async ValueTask SendAsync(TCall call, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        if (call.Count > 0)
        {
            call.Begin(results);
            if (cancellationToken.IsCancellationRequested)
            {
                call.Abandon(new OperationCanceledException(cancellationToken));
            }
            else
            {
                Add(call);
            }

            var registration = cancellationToken.UnsafeRegister(
                static (state, token) => ((TCall)state!).Abandon(new OperationCanceledException(token)), call);
            await using (registration.ConfigureAwait(false))
            {
                await call.Done.ConfigureAwait(false);
            }
        }

        if (call.TryReset())
        {
            Pool<TCall>.Give(call);
        }
    }

    /// <summary>The next call that waits. It may be another's as soon as its last message has a result.</summary>
    public bool TryTake([NotNullWhen(true)] out TCall? call) => _waiting.TryDequeue(out call);

    /// <summary>
    /// Ends a call from one of its messages on as not sent, and all that wait behind it: they have waited for the same. The next one begins anew.
    /// </summary>
    public void FailAll(TCall? call, int from, Exception error)
    {
        for (var waiting = _waiting.Count; call is not null; waiting--)
        {
            var count = call.Count;
            for (var i = from; i < count; i++)
            {
                call.Finish(call[i], new(PublishStatus.NotSent, error));
            }

            from = 0;
            call = waiting > 0 && TryTake(out var next) ? next : null;
        }
    }

    /// <summary>Takes no more calls, and waits for those who send.</summary>
    public async ValueTask DisposeAsync()
    {
        _closed = true;
        for (var i = 0; i < turns; i++)
        {
            await _turns.WaitAsync().ConfigureAwait(false);
        }

        // Whatever came at the last moment.
        while (TryTake(out var call))
        {
            call.Abandon(disposed());
        }
    }

    private void Add(TCall call)
    {
        _waiting.Enqueue(call);
        if (_closed)
        {
            call.Abandon(disposed());
        }
        else if (_turns.Wait(0, CancellationToken.None))
        {
            // It goes on for others, so the caller's context must not go with it.
            using (ExecutionContext.IsFlowSuppressed() ? default(AsyncFlowControl?) : ExecutionContext.SuppressFlow())
            {
                _ = RunAsync();
            }
        }
    }

    private async Task RunAsync()
    {
        while (true)
        {
            await send().ConfigureAwait(false);
            _turns.Release();
            if (_waiting.IsEmpty || !_turns.Wait(0, CancellationToken.None))
            {
                return;
            }

            // The caller has its own to do.
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        }
    }
}
