using System.Threading.Channels;

namespace Postrider.Core.Consuming;

/// <summary>
/// The places for what one receiver has claimed. A place goes round: free → filled by the receive loop → handled by a worker → settled → free.
/// There are few of them while handlers take their time, so that other processes get what would only wait here, or while bodies are large, so that
/// they fit into memory; and many while handlers are quick, so that the broker is asked seldom and settled with in large batches, or while those of a few keys wait
/// for each other, so that other keys get their turn.
/// </summary>
/// <remarks>
/// Places are filled, added and taken away by the receive loop alone. One whose handler hangs is replaced by another one from outside, so that it does not
/// make the window smaller.
/// </remarks>
/// <param name="queue">The queue.</param>
/// <param name="time">The clock.</param>
/// <param name="waiting">How many of those in the window wait behind others of their key; null without an order.</param>
internal sealed class PrefetchWindow(ConsumerQueue queue, TimeProvider time, Func<int>? waiting = null) : IDisposable
{
    /// <summary>How long what waits here may take to be handled.</summary>
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);

    /// <summary>The average body, in bytes, above which a large window is made small. It becomes large again with bodies of three quarters of that.</summary>
    private const int LargestBody = 128 * 1024;

    private readonly Channel<InFlight> _free = Channel.CreateBounded<InFlight>(new BoundedChannelOptions(queue.LargestWindow) { SingleReader = true });
    private readonly Lock _lock = new();
    private readonly List<InFlight> _replaced = [];
    private InFlight[] _places = [];
    private volatile InFlight[] _all = [];
    private long _lookedAt = time.GetTimestamp();
    private int _filled;
    private long _bytes;
    private long _sequence;

    /// <summary>All places, for whoever renews leases or cancels handlers.</summary>
    public IReadOnlyList<InFlight> Places => _all;

    /// <summary>How many of them go round: all but those of hung handlers that were replaced.</summary>
    public int Size
    {
        get
        {
            lock (_lock)
            {
                return _places.Length;
            }
        }
    }

    /// <summary>How many were replaced, and are still held by their handlers. Thread-safe.</summary>
    public int Replaced
    {
        get
        {
            lock (_lock)
            {
                return _replaced.Count;
            }
        }
    }

    public int Free => _free.Reader.Count;

    /// <summary>Waits until a place is free. Before and between, the size is set by what was handled lately.</summary>
    public ValueTask<bool> WaitAsync(CancellationToken stop)
    {
        Fit();
        return _free.Reader.WaitToReadAsync(stop);
    }

    public bool TryFill(Transport.Delivery delivery, out InFlight place)
    {
        if (!_free.Reader.TryRead(out place!))
        {
            return false;
        }

        place.Fill(delivery);
        place.Sequence = _sequence++;
        if (!queue.RenewLease)
        {
            place.LeasedAt = time.GetTimestamp();
        }

        _filled++;
        _bytes += delivery.Envelope.Body.Length;
        return true;
    }

    /// <summary>Takes a place out of use until it is given back.</summary>
    public ValueTask<InFlight> HoldAsync(CancellationToken stop) => _free.Reader.ReadAsync(stop);

    /// <summary>Gives a place back that was held. Thread-safe.</summary>
    public void GiveBack(InFlight place) => _free.Writer.TryWrite(place);

    /// <summary>Empties a place. Thread-safe.</summary>
    public void Clear(InFlight place)
    {
        place.Clear();
        if (!place.IsReplaced)
        {
            _free.Writer.TryWrite(place);
            return;
        }

        lock (_lock)
        {
            _replaced.Remove(place);
            Set(_places);
        }
    }

    /// <summary>Puts a new place in the stead of one whose handler, which began then, hangs. Thread-safe.</summary>
    /// <returns>False if the handler has just returned.</returns>
    public bool TryReplace(InFlight place, long since)
    {
        lock (_lock)
        {
            if (!place.TryReplace(since))
            {
                return false;
            }

            // One that was held for a retry, and hangs again, is replaced already.
            if (!place.IsReplaced)
            {
                var other = new InFlight();
                _replaced.Add(place);
                Set([.. _places.Select(one => one == place ? other : one)]);
                _free.Writer.TryWrite(other);
            }

            return true;
        }
    }

    public void Dispose()
    {
        foreach (var place in _all)
        {
            place.Dispose();
        }
    }

    /// <summary>A few keys have most of the small window, and those of other keys are still at the broker.</summary>
    private bool IsHeldByKeys => waiting is not null && waiting() >= queue.FirstWindow / 2;

    private void Fit()
    {
        // What replaces places in between neither adds nor takes any.
        var size = _places.Length;
        if (size == 0)
        {
            Widen(size = queue.FirstWindow);
        }
        else if (size < queue.LargestWindow && IsHeldByKeys)
        {
            Widen(size = queue.LargestWindow);
        }

        var elapsed = time.GetElapsedTime(_lookedAt);
        if (elapsed < Look)
        {
            return;
        }

        // No more is filled than was settled, but for what the window holds.
        var handled = _filled * (Look / elapsed);
        var body = _bytes / Math.Max(1, _filled);
        (_filled, _bytes, _lookedAt) = (0, 0, time.GetTimestamp());
        if (size < queue.LargestWindow && handled > queue.FirstWindow * 2 && body <= LargestBody / 4 * 3)
        {
            Widen(queue.LargestWindow);
        }
        else if (size > queue.FirstWindow && !IsHeldByKeys && (handled < queue.FirstWindow || body > LargestBody))
        {
            Narrow();
        }
    }

    private void Widen(int size)
    {
        lock (_lock)
        {
            var places = _places;
            var wider = new InFlight[size];
            places.CopyTo(wider, 0);
            for (var i = places.Length; i < size; i++)
            {
                wider[i] = new();
            }

            Set(wider);
            for (var i = places.Length; i < size; i++)
            {
                _free.Writer.TryWrite(wider[i]);
            }
        }
    }

    /// <summary>Takes away what is free; the rest at another look.</summary>
    private void Narrow()
    {
        lock (_lock)
        {
            var gone = new HashSet<InFlight>();
            while (_places.Length - gone.Count > queue.FirstWindow && _free.Reader.TryRead(out var place))
            {
                gone.Add(place);
                place.Dispose();
            }

            Set([.. _places.Where(place => !gone.Contains(place))]);
        }
    }

    private void Set(InFlight[] places)
    {
        _places = places;
        _all = _replaced.Count == 0 ? places : [.. places, .. _replaced];
    }
}
