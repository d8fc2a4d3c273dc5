using System.Globalization;
using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <content>Looking at what is visible, by its place in the queue's order.</content>
internal sealed partial class InMemoryQueue
{
    /// <summary>How many there are, whoever has them. What is in hand is looked at one by one, which is a prefetch window for each receiver.</summary>
    public QueueDepth Measure()
    {
        lock (_gate)
        {
            MakeVisible();
            var (leased, oldest) = (0, _visible.OldestSince);
            foreach (var reader in _readers)
            {
                leased += reader.Leased.Count;
                for (var held = reader.Leased.First; held is not null; held = held.Next)
                {
                    oldest = Math.Min(oldest, held.Since);
                }
            }

            return new(_visible.Count + _delayed.Count + leased, _visible.Count, leased, oldest == BrokerClock.Never ? TimeSpan.Zero : _clock.Since(oldest));
        }
    }

    public int CountVisible()
    {
        lock (_gate)
        {
            MakeVisible();
            return _visible.Count;
        }
    }

    /// <summary>Those behind a place, in their order.</summary>
    public IReadOnlyList<StoredDeadLetter> Browse(long after, int max)
    {
        lock (_gate)
        {
            MakeVisible();
            var found = new List<StoredDeadLetter>();
            foreach (var message in _visible.InOrder().Where(message => message.Position > after).Take(max))
            {
                found.Add(new(message.Position.ToString(CultureInfo.InvariantCulture), message.Envelope!));
            }

            return found;
        }
    }

    public bool Delete(long position)
    {
        lock (_gate)
        {
            MakeVisible();
            if (_visible.InOrder().FirstOrDefault(message => message.Position == position) is not { } message)
            {
                return false;
            }

            message.List!.Remove(message);
            message.Token++;
            Recycle(message);
            return true;
        }
    }
}
