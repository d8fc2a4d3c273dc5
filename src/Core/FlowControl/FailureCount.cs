namespace Postrider.Core.FlowControl;

/// <summary>Counts successes and failures, and tells when there are too many failures. Thread-safe.</summary>
internal sealed class FailureCount(CircuitBreakerOptions options, TimeProvider time)
{
    private const int Slices = 10;

    private readonly Lock _lock = new();
    private readonly (long Slice, int Handled, int Failed)[] _slices = new (long, int, int)[Slices];
    private readonly long _sliceTicks = options.Window.Ticks / Slices;
    private int _inARow;

    /// <summary>Whether there are too many now.</summary>
    public bool Failed()
    {
        if (options.FailureRatio is not { } ratio)
        {
            return Interlocked.Increment(ref _inARow) >= options.Failures;
        }

        lock (_lock)
        {
            Slice().Failed++;
            var (handled, failed, oldest) = (0, 0, Now() - Slices);
            foreach (var slice in _slices)
            {
                if (slice.Slice > oldest)
                {
                    (handled, failed) = (handled + slice.Handled, failed + slice.Failed);
                }
            }

            return handled >= options.MinimumHandled && failed >= handled * ratio;
        }
    }

    public void Succeeded()
    {
        if (options.FailureRatio is null)
        {
            // Read first: all workers would fight for the line.
            if (Volatile.Read(ref _inARow) != 0)
            {
                Volatile.Write(ref _inARow, 0);
            }

            return;
        }

        lock (_lock)
        {
            Slice();
        }
    }

    public void Reset()
    {
        lock (_lock)
        {
            _inARow = 0;
            Array.Clear(_slices);
        }
    }

    /// <summary>The one of now, in which one more was handled.</summary>
    private ref (long Slice, int Handled, int Failed) Slice()
    {
        var now = Now();
        ref var slice = ref _slices[now % Slices];
        if (slice.Slice != now)
        {
            slice = (now, 0, 0);
        }

        slice.Handled++;
        return ref slice;
    }

    /// <summary>The number of the current slice, from 10 on, so that none is as old as an empty one.</summary>
    private long Now() => Slices + (time.GetElapsedTime(0).Ticks / _sliceTicks);
}
