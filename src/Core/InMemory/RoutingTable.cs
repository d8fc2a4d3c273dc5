using System.Collections.Concurrent;
using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <summary>Which queues a topic reaches. Immutable but for its memory of topics; replaced when the topology changes.</summary>
internal sealed class RoutingTable(IReadOnlyCollection<Binding> bindings, ConcurrentDictionary<string, InMemoryQueue> queues)
{
    // Topics may be made from data (orders.4711.placed): what is remembered must not grow with them.
    private const int MostRemembered = 1024;
    private readonly ConcurrentDictionary<string, InMemoryQueue[]> _remembered = new(StringComparer.Ordinal);
    private int _count;

    /// <summary>The queues that get a copy, each once; null and the reason if the topic's name is illegal.</summary>
    public InMemoryQueue[]? Find(string topic, out string? whyIllegal)
    {
        if (_remembered.TryGetValue(topic, out var found))
        {
            whyIllegal = null;
            return found;
        }

        whyIllegal = Names.WhyIllegalTopic(topic);
        if (whyIllegal is not null)
        {
            return null;
        }

        found = Match(topic);
        if (Volatile.Read(ref _count) < MostRemembered && _remembered.TryAdd(topic, found))
        {
            Interlocked.Increment(ref _count);
        }

        return found;
    }

    private InMemoryQueue[] Match(string topic)
    {
        var matching = new List<InMemoryQueue>();
        foreach (var binding in bindings)
        {
            if (TopicPattern.Matches(binding.Pattern, topic)
                && queues.TryGetValue(binding.Queue, out var queue)
                && !matching.Contains(queue))
            {
                matching.Add(queue);
            }
        }

        return [.. matching];
    }
}
