using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <summary>The messages that were published within a window: a second one of the same id to the same topic or queue is a duplicate.</summary>
/// <remarks>
/// Thread-safe. What is too old is forgotten when others come, so that no timer runs. However many come, the latest <see cref="MostKept"/> are all that
/// is kept: what a busy broker remembers must not grow with its window.
/// </remarks>
internal sealed class SeenIds(BrokerClock clock)
{
    public const int MostKept = 100_000;

    private readonly Lock _gate = new();
    private readonly HashSet<Seen> _seen = [];
    private readonly Queue<(Seen Seen, long Expiry)> _order = [];

    /// <summary>Whether it was not seen; from now on it is.</summary>
    public bool TryAdd(in OutgoingMessage message, TimeSpan window)
    {
        var seen = new Seen(message);
        lock (_gate)
        {
            var (now, expiry) = (clock.Now, clock.After(window));
            while (_order.TryPeek(out var oldest) && (oldest.Expiry <= now || _order.Count >= MostKept))
            {
                _seen.Remove(_order.Dequeue().Seen);
            }

            if (!_seen.Add(seen))
            {
                return false;
            }

            _order.Enqueue((seen, expiry));
            return true;
        }
    }

    /// <summary>It was not stored after all.</summary>
    public void Remove(in OutgoingMessage message)
    {
        lock (_gate)
        {
            _seen.Remove(new(message));
        }
    }

    private readonly record struct Seen(string Id, DestinationKind Kind, string Name)
    {
        public Seen(in OutgoingMessage message)
            : this(message.DuplicateId ?? message.Envelope.Id, message.Destination.Kind, message.Destination.Name)
        {
        }

        /// <summary>Of the id alone, as few messages have the same one.</summary>
        public override int GetHashCode() => Id.GetHashCode(StringComparison.Ordinal);
    }
}
