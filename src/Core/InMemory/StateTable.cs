using Postrider.Core.State;

namespace Postrider.Core.InMemory;

/// <summary>The entries that the <see cref="InMemoryStateStore"/>s on it share. Thread-safe.</summary>
internal sealed class StateTable(TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Stored> _entries = new(StringComparer.Ordinal);
    private TaskCompletionSource _changed = NewSignal();
    private long _revision;

    public StateEntry? Get(string key)
    {
        lock (_gate)
        {
            return Find(key)?.Entry;
        }
    }

    public long? Put(string key, ReadOnlyMemory<byte> value, long revision, TimeSpan timeToLive)
    {
        lock (_gate)
        {
            if ((Find(key)?.Entry.Revision ?? 0) != revision)
            {
                return null;
            }

            DateTimeOffset? end = timeToLive == Timeout.InfiniteTimeSpan ? null : time.GetUtcNow() + timeToLive;
            _entries[key] = new(new(value.ToArray(), ++_revision), end);
            Changed();
            return _revision;
        }
    }

    public bool Delete(string key, long revision)
    {
        lock (_gate)
        {
            if (Find(key)?.Entry.Revision != revision)
            {
                return false;
            }

            _entries.Remove(key);
            Changed();
            return true;
        }
    }

    /// <summary>What is below the prefix now, for how long that may be so, and what tells of a change before.</summary>
    public (Dictionary<string, StateEntry> Entries, TimeSpan UntilExpiry, Task Changed) Look(string prefix)
    {
        lock (_gate)
        {
            var now = time.GetUtcNow();
            var entries = new Dictionary<string, StateEntry>(StringComparer.Ordinal);
            DateTimeOffset? next = null;
            foreach (var (key, stored) in _entries)
            {
                if (stored.End <= now)
                {
                    _entries.Remove(key);
                }
                else if (StateKey.IsBelow(key, prefix))
                {
                    entries.Add(key, stored.Entry);
                    next = next is null || stored.End < next ? stored.End ?? next : next;
                }
            }

            return (entries, next is { } end ? end - now : Timeout.InfiniteTimeSpan, _changed.Task);
        }
    }

    private Stored? Find(string key) => _entries.GetValueOrDefault(key) is { } stored && !(stored.End <= time.GetUtcNow()) ? stored : null;

    private void Changed()
    {
        _changed.TrySetResult();
        _changed = NewSignal();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private sealed record Stored(StateEntry Entry, DateTimeOffset? End);
}
