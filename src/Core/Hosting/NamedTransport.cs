using System.Collections.ObjectModel;
using Postrider.Core.Consuming;
using Postrider.Core.Publishing;
using Postrider.Core.Requests;
using Postrider.Core.Transport;

namespace Postrider.Core.Hosting;

/// <summary>One of the host's transports, with all that is its own. What happens to it is no matter to the others.</summary>
internal sealed class NamedTransport
{
    public required ITransport Transport { get; init; }

    public required TransportStatus Status { get; init; }

    /// <summary>The queues of the application's consumers here, and their bindings.</summary>
    public required Topology Topology { get; init; }

    public required IReadOnlyList<ConsumerQueue> Queues { get; init; }

    /// <summary>Those that this process consumes.</summary>
    public IEnumerable<ConsumerQueue> Consumed => Queues.Where(static queue => queue.IsRun);

    /// <summary>Those of them that are here only until they are empty.</summary>
    public required IReadOnlyList<string> Drained { get; init; }

    public required Publisher Publisher { get; init; }

    /// <summary>The answers to what this host asks there.</summary>
    public required ReplyChannel Replies { get; init; }

    public string Name => Status.Name;

    /// <summary>Topics that go to what others made, and where; most have none.</summary>
    public IReadOnlyDictionary<string, string> MappedTopics => (Transport as IMappedTopics)?.MappedTopics ?? ReadOnlyDictionary<string, string>.Empty;
}
