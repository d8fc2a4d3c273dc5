using System.Collections.ObjectModel;
using Postrider.Core.Consuming;
using Postrider.Core.Publishing;
using Postrider.Core.Requests;
using Postrider.Core.Transport;

namespace Postrider.Core.Hosting;

/// <summary>One of the host's transports, with all that is its own. What happens to it is no matter to the others.</summary>
internal sealed class NamedTransport
{
    private readonly Lock _lock = new();
    private volatile IReadOnlyList<ConsumerQueue> _queues = [];

    public required ITransport Transport { get; init; }

    public required TransportStatus Status { get; init; }

    /// <summary>The queues of the application's consumers here that have a name, and their bindings.</summary>
    public required Topology Topology { get; init; }

    /// <summary>The queues of the application's consumers. Those that are found by a pattern come and go: then it is another list.</summary>
    public required IReadOnlyList<ConsumerQueue> Queues
    {
        get => _queues;
        init => _queues = value;
    }

    /// <summary>The consumers of queues that are found by a pattern, as far as this process may have to consume any.</summary>
    public required IReadOnlyList<QueueTemplate> Templates { get; init; }

    /// <summary>Those that this process consumes.</summary>
    public IEnumerable<ConsumerQueue> Consumed => Queues.Where(static queue => queue.IsRun);

    /// <summary>Those of them that are here only until they are empty.</summary>
    public IEnumerable<ConsumerQueue> Drained => Queues.Where(static queue => queue.IsDrained);

    public required Publisher Publisher { get; init; }

    /// <summary>The answers to what this host asks there.</summary>
    public required ReplyChannel Replies { get; init; }

    public string Name => Status.Name;

    /// <summary>Topics that go to what others made, and where; most have none.</summary>
    public IReadOnlyDictionary<string, string> MappedTopics => (Transport as IMappedTopics)?.MappedTopics ?? ReadOnlyDictionary<string, string>.Empty;

    /// <summary>A queue was found.</summary>
    public void Add(ConsumerQueue queue)
    {
        lock (_lock)
        {
            _queues = [.. _queues, queue];
        }
    }

    /// <summary>A queue that was found is gone.</summary>
    public void Remove(ConsumerQueue queue)
    {
        lock (_lock)
        {
            _queues = [.. _queues.Where(one => !ReferenceEquals(one, queue))];
        }
    }
}
