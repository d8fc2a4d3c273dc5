using System.Runtime.InteropServices;

namespace Postrider.Core.FlowControl;

/// <summary>
/// Says how long a message has to wait for a token of its key's bucket. A bucket is one number, the moment at which it is full again; one that is full is forgotten. Not
/// thread-safe; it outlives the pumps of its queue, one of which uses it at a time.
/// </summary>
/// <param name="options">The limit of each key.</param>
/// <param name="sharers">Among how many processes it is shared now.</param>
/// <param name="time">The process's clock.</param>
internal sealed class KeyRates(RateLimitOptions options, Func<int> sharers, TimeProvider time)
{
    private const int Few = 1024;

    /// <summary>Timers cannot wait for more than 49 days.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromDays(40);

    private readonly long _began = time.GetTimestamp();
    private readonly Dictionary<string, TimeSpan> _fullAt = new(StringComparer.Ordinal);
    private int _many = Few;

    /// <summary>How many keys are remembered.</summary>
    public int Count => _fullAt.Count;

    /// <summary>Takes a token.</summary>
    /// <returns>How long it is until it may be used; zero for at once.</returns>
    public TimeSpan Take(string key)
    {
        var now = time.GetElapsedTime(_began);
        Forget(now);
        var share = 1.0 / Math.Max(1, sharers());
        var gap = TimeSpan.FromSeconds(1 / (options.PerSecond * share));
        ref var fullAt = ref CollectionsMarshal.GetValueRefOrAddDefault(_fullAt, key, out _);
        var from = fullAt > now ? fullAt : now;
        fullAt = from + gap;
        var wait = from - now - (gap * (Math.Max(1, options.Burst * share) - 1));

        // A little longer than it takes, as timers count in milliseconds and may be early.
        return wait <= TimeSpan.Zero ? TimeSpan.Zero : wait < Longest ? wait + TimeSpan.FromMilliseconds(1) : Longest;
    }

    /// <summary>A token was not used after all.</summary>
    public void GiveBack(string key)
    {
        if (_fullAt.TryGetValue(key, out var fullAt))
        {
            _fullAt[key] = fullAt - TimeSpan.FromSeconds(Math.Max(1, sharers()) / options.PerSecond);
        }
    }

    /// <summary>Now and then, whenever there are twice as many as were left the last time.</summary>
    private void Forget(TimeSpan now)
    {
        if (_fullAt.Count < _many)
        {
            return;
        }

        foreach (var (key, fullAt) in _fullAt)
        {
            if (fullAt <= now)
            {
                _fullAt.Remove(key);
            }
        }

        _many = Math.Max(Few, _fullAt.Count * 2);
    }
}
