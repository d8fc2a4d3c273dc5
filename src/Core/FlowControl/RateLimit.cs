namespace Postrider.Core.FlowControl;

/// <summary>Says how many messages may be claimed now (a token bucket). Used by one receive loop.</summary>
/// <param name="options">The limit.</param>
/// <param name="sharers">Among how many processes it is shared now.</param>
/// <param name="time">The process's clock.</param>
internal sealed class RateLimit(RateLimitOptions options, Func<int> sharers, TimeProvider time)
{
    private double _tokens = options.Burst;
    private long _filledAt = time.GetTimestamp();

    /// <summary>At most so many may be claimed now; above 0.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled while it was waited for.</exception>
    public async ValueTask<int> WaitAsync(int wanted, CancellationToken stop)
    {
        while (true)
        {
            var rate = Fill();
            if (_tokens >= 1)
            {
                return Math.Min(wanted, (int)_tokens);
            }

            // A little longer than it takes, as timers count in milliseconds and may be early.
            await Task.Delay(TimeSpan.FromSeconds((1 - _tokens) / rate) + TimeSpan.FromMilliseconds(1), time, stop).ConfigureAwait(false);
        }
    }

    /// <summary>So many were claimed.</summary>
    public void Claimed(int count) => _tokens -= count;

    private double Fill()
    {
        var share = 1.0 / Math.Max(1, sharers());
        var rate = options.PerSecond * share;
        var now = time.GetTimestamp();
        _tokens = Math.Min(Math.Max(1, options.Burst * share), _tokens + (time.GetElapsedTime(_filledAt, now).TotalSeconds * rate));
        _filledAt = now;
        return rate;
    }
}
