using Postrider.Core.State;

namespace Postrider.Transports.Nats;

/// <summary>
/// One who watches: all entries when it begins, then what the feed tells of them. Whenever the feed cannot be trusted any more, all anew. One call at a time.
/// </summary>
internal sealed class StateWatch(NatsStateStore store, JetStreamApi api, StateBucket bucket, ServerClock clock, string prefix) : IAsyncDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);
    private IDictionary<string, StoredState> _known = new Dictionary<string, StoredState>();
    private Dictionary<string, StateEntry>? _told;
    private StateFeed? _feed;

    /// <summary>The entries as soon as they are others than those that it gave before.</summary>
    public async ValueTask<IReadOnlyDictionary<string, StateEntry>> NextAsync(string doing, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await ChangedAsync(doing, cancellationToken).ConfigureAwait(false);
            }
            catch (TransportException e) when (e.IsTransient)
            {
                await CloseAsync().ConfigureAwait(false);
                await Task.Delay(Pause * (1 + Random.Shared.NextDouble()), TimeProvider.System, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    public ValueTask DisposeAsync() => CloseAsync();

    private async ValueTask<Dictionary<string, StateEntry>> ChangedAsync(string doing, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (_feed?.TryTake(_known) is not true)
            {
                await CloseAsync().ConfigureAwait(false);
                _feed = await StateFeed.OpenAsync(api, bucket, prefix, doing, cancellationToken).ConfigureAwait(false);
                // What is stored meanwhile is in both.
                _known = await store.AllAsync(prefix, doing, cancellationToken).ConfigureAwait(false);
            }

            var untilOver = await ExpireAsync(doing, cancellationToken).ConfigureAwait(false);
            var entries = NatsStateStore.EntriesOf(_known.Values);
            if (_told is null || !IsSame(_told, entries))
            {
                return _told = entries;
            }

            await _feed.WaitAsync(untilOver, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Looks again at those whose time is over, and tells when the next one's will be.</summary>
    private async ValueTask<TimeSpan> ExpireAsync(string doing, CancellationToken cancellationToken)
    {
        var next = TimeSpan.MaxValue;
        foreach (var one in _known.Values.Where(static one => !one.IsDeleted && one.TimeToLive != Timeout.InfiniteTimeSpan).ToList())
        {
            var last = one;
            if (await clock.IsOverAsync(one, cancellationToken).ConfigureAwait(false))
            {
                last = await store.CurrentAsync(one.Key, doing, cancellationToken).ConfigureAwait(false);
                if (last is null)
                {
                    _known.Remove(one.Key);
                    continue;
                }

                // The word of a delete too: what the feed has yet to tell is older.
                _known[one.Key] = last;
            }

            if (!last.IsDeleted && last.TimeToLive != Timeout.InfiniteTimeSpan && clock.Left(last.TimeToLive, last.StoredAt) is var left && left < next)
            {
                next = left;
            }
        }

        // A little later, so that it is over then.
        return next == TimeSpan.MaxValue ? next : next + TimeSpan.FromMilliseconds(1);
    }

    private async ValueTask CloseAsync()
    {
        if (_feed is { } feed)
        {
            _feed = null;
            await feed.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static bool IsSame(Dictionary<string, StateEntry> one, Dictionary<string, StateEntry> other) =>
        one.Count == other.Count && one.All(pair => other.TryGetValue(pair.Key, out var entry) && entry.Revision == pair.Value.Revision);
}
