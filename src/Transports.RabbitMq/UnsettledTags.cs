namespace Postrider.Transports.RabbitMq;

/// <summary>
/// Which deliveries of a channel are settled, so that one ack can stand for many: the broker numbers deliveries one by one, and an ack with
/// <c>multiple</c> covers everything up to its tag (AMQP 0-9-1, basic.ack).
/// </summary>
/// <remarks>Thread-safe. Only what the broker has been told counts: what is just being told by another may fail.</remarks>
internal sealed class UnsettledTags
{
    private readonly Lock _lock = new();
    private readonly HashSet<ulong> _ahead = [];
    private ulong _oldest = 1;
    private int _taken;

    /// <summary>How many were handed out or back and are not settled.</summary>
    public int Taken => Volatile.Read(ref _taken);

    public void Take() => Interlocked.Increment(ref _taken);

    /// <returns>The first tag that is not settled when these are.</returns>
    public ulong FirstAfter(ReadOnlySpan<ulong> sorted)
    {
        lock (_lock)
        {
            var (first, next) = (_oldest, 0);
            while (true)
            {
                while (next < sorted.Length && sorted[next] < first)
                {
                    next++;
                }

                if (!_ahead.Contains(first) && (next == sorted.Length || sorted[next] != first))
                {
                    return first;
                }

                first++;
            }
        }
    }

    /// <summary>The broker has been told of this one.</summary>
    public void Settle(ulong tag)
    {
        Interlocked.Decrement(ref _taken);
        lock (_lock)
        {
            if (tag == _oldest)
            {
                _oldest++;
                while (_ahead.Remove(_oldest))
                {
                    _oldest++;
                }
            }
            else
            {
                _ahead.Add(tag);
            }
        }
    }
}
