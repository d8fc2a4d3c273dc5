using System.Globalization;
using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <content>Looking into the queue, by the numbers of its messages, and removing.</content>
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

    /// <summary>Those that came after one, in the order in which they came: all, or those that are ready.</summary>
    public List<PendingMessage> Browse(long after, int max, bool isReady = false)
    {
        lock (_gate)
        {
            MakeVisible();
            // A page is short and a queue may be long: only the first ones are kept, the latest of them in front.
            var first = new PriorityQueue<PendingMessage, long>();
            foreach (var (message, due, isInHand) in All(isReady).Where(one => one.Message.Number > after))
            {
                if (first.Count < max)
                {
                    first.Enqueue(Show(message, due, isInHand), -message.Number);
                }
                else if (first.TryPeek(out _, out var latest) && message.Number < -latest)
                {
                    first.DequeueEnqueue(Show(message, due, isInHand), -message.Number);
                }
            }

            var found = new List<PendingMessage>(first.Count);
            while (first.TryDequeue(out var message, out _))
            {
                found.Add(message);
            }

            found.Reverse();
            return found;
        }
    }

    public PendingMessage? Find(long number, bool isReady = false)
    {
        lock (_gate)
        {
            MakeVisible();
            return All(isReady).Where(one => one.Message.Number == number).Select(one => Show(one.Message, one.Due, one.IsInHand)).FirstOrDefault();
        }
    }

    /// <summary>Removes one that is ready.</summary>
    public bool Delete(long number)
    {
        lock (_gate)
        {
            MakeVisible();
            if (_visible.All().FirstOrDefault(message => message.Number == number) is not { } message)
            {
                return false;
            }

            Remove(message);
            return true;
        }
    }

    /// <summary>Removes what is ready, and what is delayed too if that is wanted.</summary>
    public long Flush(bool delayed)
    {
        lock (_gate)
        {
            MakeVisible();
            var gone = _visible.All().ToArray();
            Array.ForEach(gone, Remove);
            long count = gone.Length;
            while (delayed && _delayed.TryDequeue(out var message, out _))
            {
                Recycle(message);
                count++;
            }

            return count;
        }
    }

    private void Remove(StoredMessage message)
    {
        message.List!.Remove(message);
        message.Token++;
        Recycle(message);
    }

    /// <summary>In no order.</summary>
    private IEnumerable<(StoredMessage Message, long? Due, bool IsInHand)> All(bool isReady)
    {
        var ready = _visible.All().Select(static one => (one, default(long?), false));
        return isReady ? ready : ready
            .Concat(_delayed.UnorderedItems.Select(static one => (one.Element, (long?)one.Priority.Due, false)))
            .Concat(_readers.SelectMany(static reader => reader.Leased.All()).Select(static one => (one, default(long?), true)));
    }

    private PendingMessage Show(StoredMessage message, long? due, bool isInHand) => new(message.Number.ToString(CultureInfo.InvariantCulture), message.Envelope!)
    {
        DueAt = due is { } point ? _clock.TimeOf(point) : null,
        IsInHand = isInHand,
        Redeliveries = message.Redeliveries,
    };
}
