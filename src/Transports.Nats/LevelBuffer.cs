using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>Messages that came and were not asked for yet, by level; those of a queue without levels are all of one. Guarded by its owner's lock.</summary>
internal sealed class LevelBuffer
{
    private readonly Queue<NatsDelivery>?[] _levels = new Queue<NatsDelivery>?[Priorities.Count];

    public int Count { get; private set; }

    /// <summary>A bit for each level that has any.</summary>
    public int Waiting { get; private set; }

    public void Add(NatsDelivery delivery)
    {
        (_levels[delivery.Level] ??= new()).Enqueue(delivery);
        Count++;
        Waiting |= 1 << delivery.Level;
    }

    /// <summary>The first of a level, which has one.</summary>
    public NatsDelivery Take(int level)
    {
        var queue = _levels[level]!;
        var first = queue.Dequeue();
        Count--;
        Waiting &= ~((queue.Count == 0 ? 1 : 0) << level);
        return first;
    }

    public void CopyTo(List<NatsDelivery> list)
    {
        foreach (var queue in _levels)
        {
            list.AddRange(queue ?? []);
        }
    }

    public void Clear()
    {
        foreach (var queue in _levels)
        {
            queue?.Clear();
        }

        (Count, Waiting) = (0, 0);
    }
}
