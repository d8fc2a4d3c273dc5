using Microsoft.Extensions.DependencyInjection;

namespace Postrider.Core.Consuming;

/// <summary>
/// Gathers messages from handlers that run at once, hands them to the user's code together, and gives each handler its own outcome back. So everything around
/// a message (middlewares, decoding, retries, leases, dead letters) is as for any other.
/// </summary>
/// <param name="options">How large a batch is, and how long it is waited for.</param>
/// <param name="concurrency">How many batches run at once.</param>
/// <param name="pool">Whose slots batches take; null: they need none.</param>
/// <param name="consume">The user's code, with the services of the batch.</param>
internal sealed class Batcher<TMessage>(
    BatchOptions options, int concurrency, PoolPlace? pool, Func<IServiceProvider, IReadOnlyList<BatchItem<TMessage>>, CancellationToken, ValueTask<Outcome>> consume)
    where TMessage : notnull
{
    private readonly Lock _lock = new();
    private readonly List<BatchItem<TMessage>> _waiting = [];
    private ITimer? _timer;
    private bool _isDue;
    private int _running;
    private int _standIns;

    public async ValueTask<Outcome> AddAsync(TMessage message, ConsumeContext context)
    {
        var item = new BatchItem<TMessage>(message, context) { AddedAt = context.Time.GetTimestamp() };
        context.Place.WaitForOthers();
        lock (_lock)
        {
            _waiting.Add(item);
            if (_waiting.Count == 1)
            {
                WaitForMore();
            }

            StartReady();
        }

        using var cancelled = context.CancellationToken.UnsafeRegister(
            static state =>
            {
                var (batcher, one) = ((Batcher<TMessage>, BatchItem<TMessage>))state!;
                batcher.Cancel(one);
            },
            (this, item));
        return await item.Done.Task.ConfigureAwait(false);
    }

    /// <summary>It is not ours any more, or the drain is over. One whose batch runs already stays in it until that has ended.</summary>
    private void Cancel(BatchItem<TMessage> item)
    {
        lock (_lock)
        {
            if (_waiting.Remove(item))
            {
                item.Done.TrySetCanceled(item.Context.CancellationToken);
            }
        }
    }

    /// <summary>For as long as the first one may still wait.</summary>
    private void WaitForMore()
    {
        var (first, time) = (_waiting[0], _waiting[0].Context.Time);
        if (_timer is null)
        {
            using (ExecutionContext.SuppressFlow())
            {
                _timer = time.CreateTimer(_ => OnDue(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }

        var left = options.MaxWait - time.GetElapsedTime(first.AddedAt);
        _isDue = left <= TimeSpan.Zero;
        _timer.Change(_isDue ? Timeout.InfiniteTimeSpan : left, Timeout.InfiniteTimeSpan);
    }

    private void OnDue()
    {
        lock (_lock)
        {
            if (_waiting.Count > 0)
            {
                // Perhaps those that it was set for have just gone.
                WaitForMore();
                StartReady();
            }
        }
    }

    /// <summary>What waits is ready when it is enough for a batch, or has waited long enough; and when fewer run than may.</summary>
    private void StartReady()
    {
        while (_running < concurrency + _standIns && (_waiting.Count >= options.MaxSize || (_isDue && _waiting.Count > 0)))
        {
            var batch = _waiting[..Math.Min(_waiting.Count, options.MaxSize)];
            _waiting.RemoveRange(0, batch.Count);
            batch.Sort(static (one, other) => one.Context.Place.Sequence.CompareTo(other.Context.Place.Sequence));
            _running++;
            if (_waiting.Count > 0)
            {
                WaitForMore();
            }

            // A batch has many causes: nothing of the flow of the one that filled it may stick to it.
            ThreadPool.UnsafeQueueUserWorkItem(static work => _ = work.Batcher.RunAsync(work.Batch), (Batcher: this, Batch: batch), preferLocal: false);
        }
    }

    private async Task RunAsync(List<BatchItem<TMessage>> batch)
    {
        Outcome outcome = default;
        Exception? error = null;
        var (isOver, hasStandIn, hasSlot) = (false, false, false);
        try
        {
            using var cancellation = new BatchCancellation(batch.Count);
            foreach (var item in batch)
            {
                cancellation.Watch(item.Context.CancellationToken);
            }

            if (pool is not null)
            {
                hasSlot = await pool.EnterAsync(cancellation.Token).ConfigureAwait(false);
                cancellation.Token.ThrowIfCancellationRequested();
            }

            batch[0].Context.Place.OnReplaced = StandIn;
            var now = batch[0].Context.Time.GetTimestamp();
            foreach (var item in batch)
            {
                item.Context.Place.BeginTogether(now);
            }

            var scope = batch[0].Context.Services.GetRequiredService<IServiceScopeFactory>().CreateAsyncScope();
            await using (scope.ConfigureAwait(false))
            {
                outcome = await consume(scope.ServiceProvider, batch, cancellation.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            error = e;
        }

        lock (_lock)
        {
            _running--;
            isOver = true;
            _standIns -= hasStandIn ? 1 : 0;
            StartReady();
            if (hasSlot && !hasStandIn)
            {
                pool!.Leave();
            }
        }

        foreach (var item in batch)
        {
            if (error is null || item.Outcome is not null)
            {
                item.Done.TrySetResult(item.Outcome ?? outcome);
            }
            else
            {
                item.Done.TrySetException(error);
            }
        }

        // It hangs: another batch may run beside it.
        void StandIn()
        {
            lock (_lock)
            {
                if (!isOver && !hasStandIn && _standIns < concurrency)
                {
                    hasStandIn = true;
                    _standIns++;
                    pool?.Leave();
                    StartReady();
                }
            }
        }
    }
}

/// <summary>Cancelled when all that it watches are: a batch goes on for those that still are ours.</summary>
internal sealed class BatchCancellation(int count) : IDisposable
{
    private readonly CancellationTokenSource _cancellation = new();
    private readonly List<CancellationTokenRegistration> _watched = new(count);
    private int _left = count;

    public CancellationToken Token => _cancellation.Token;

    public void Watch(CancellationToken token) => _watched.Add(token.UnsafeRegister(
        static one =>
        {
            var all = (BatchCancellation)one!;
            if (Interlocked.Decrement(ref all._left) == 0)
            {
                all._cancellation.Cancel();
            }
        },
        this));

    public void Dispose()
    {
        foreach (var one in _watched)
        {
            one.Dispose();
        }

        _cancellation.Dispose();
    }
}
