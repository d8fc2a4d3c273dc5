namespace Postrider.Core.State;

/// <summary>A <see cref="StateLock"/> that is ours until it is lost or disposed of. It renews itself.</summary>
internal sealed class HeldLock : IAsyncDisposable
{
    /// <summary>It counts as lost so long before it expires: clocks run at different speeds, and whoever holds it needs a moment to let go.</summary>
    private static readonly TimeSpan Margin = TimeSpan.FromMilliseconds(500);

    private readonly IStateStore _store;
    private readonly string _key;
    private readonly byte[] _holder;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _lost = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _renewing;
    private long _revision;

    /// <param name="store">The store.</param>
    /// <param name="key">The entry's key.</param>
    /// <param name="holder">Its value.</param>
    /// <param name="revision">Its revision.</param>
    /// <param name="since">When it was put or earlier, by the process's clock.</param>
    /// <param name="time">The process's clock.</param>
    public HeldLock(IStateStore store, string key, byte[] holder, long revision, long since, TimeProvider time)
    {
        (_store, _key, _holder, _revision, Token, _time) = (store, key, holder, revision, revision, time);
        _renewing = Task.Run(() => RenewAsync(since));
    }

    /// <summary>Higher than that of every holder before.</summary>
    public long Token { get; }

    /// <summary>Cancelled when it is not ours any more, a little before another can have it.</summary>
    public CancellationToken Lost => _lost.Token;

    /// <summary>Gives it back, so that another need not wait until it expires.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _renewing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            using var limit = new CancellationTokenSource(StateLock.Renewal, _time);
            await _store.DeleteAsync(_key, _revision, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is StateStoreException or OperationCanceledException or ObjectDisposedException)
        {
            // It expires by itself.
        }

        _stop.Dispose();
        _lost.Dispose();
    }

    private async Task RenewAsync(long renewedAt)
    {
        while (true)
        {
            var left = Left(renewedAt);
            await Task.Delay(left < StateLock.Renewal ? left : StateLock.Renewal, _time, _stop.Token).ConfigureAwait(false);
            var started = _time.GetTimestamp();
            left = Left(renewedAt);
            var isOurs = left == TimeSpan.Zero ? false : await RenewAsync(left).ConfigureAwait(false);
            if (isOurs == false)
            {
                await _lost.CancelAsync().ConfigureAwait(false);
                return;
            }

            renewedAt = isOurs == true ? started : renewedAt;
        }
    }

    /// <returns>Whether it is ours; null if nobody knows.</returns>
    private async Task<bool?> RenewAsync(TimeSpan limit)
    {
        using var late = new CancellationTokenSource(limit, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, late.Token);
        try
        {
            if (await _store.PutAsync(_key, _holder, _revision, StateLock.TimeToLive, either.Token).ConfigureAwait(false) is { } revision)
            {
                _revision = revision;
                return true;
            }

            if (await _store.GetAsync(_key, either.Token).ConfigureAwait(false) is not { } entry || !entry.Value.Span.SequenceEqual(_holder))
            {
                return false;
            }

            // An earlier renewal was done although nobody heard of it. How long ago is not known, so the next one has to succeed.
            _revision = entry.Revision;
            return null;
        }
        catch (Exception e) when (!_stop.IsCancellationRequested && e is StateStoreException or OperationCanceledException)
        {
            return null;
        }
    }

    private TimeSpan Left(long renewedAt)
    {
        var left = StateLock.TimeToLive - Margin - _time.GetElapsedTime(renewedAt);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }
}
