using System.Collections.Concurrent;
using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <summary>A broker in this process: it holds what the <see cref="InMemoryTransport"/>s on it share.</summary>
/// <remarks>
/// <para>Thread-safe. Needs no disposal: it runs no threads, and timers only while a receiver waits.</para>
/// <para>All delays and leases are on the given clock: if a test advances it, what is due comes out at once, and nothing before.</para>
/// </remarks>
public sealed class InMemoryBroker
{
    private readonly BrokerClock _clock;
    private readonly SeenIds _seen;
    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<string, InMemoryQueue> _queues = new(StringComparer.Ordinal);
    private Binding[] _bindings = [];
    private volatile RoutingTable? _routes;

    /// <summary>An empty broker.</summary>
    /// <param name="timeProvider">The clock; null for the system's.</param>
    public InMemoryBroker(TimeProvider? timeProvider = null)
    {
        _clock = new(timeProvider ?? TimeProvider.System);
        _seen = new(_clock);
    }

    /// <summary>
    /// For how long a second message of the same id to the same topic, or to the same queue, is found to be a duplicate: not stored, which is no error.
    /// Of the latest 100,000 messages, if more are published within it. Zero: all are stored. At most 7 days.
    /// </summary>
    public TimeSpan DuplicateWindow
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, TimeSpan.Zero);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, TimeSpan.FromDays(7));
            field = value;
        }
    } = TimeSpan.FromMinutes(2);

    /// <summary>The entries of the state stores on it.</summary>
    /// <remarks>On the system's clock, whatever the broker's is: heartbeats and turns are of processes, whose time no test can advance.</remarks>
    internal StateTable State { get; } = new(TimeProvider.System);

    private RoutingTable Routes => _routes ?? Reroute();

    /// <summary>
    /// Deletes a queue (or a dead-letter queue) with its messages and bindings. Its receivers fail with
    /// <see cref="TransportError.QueueNotFound"/> from then on, also when it is declared again.
    /// </summary>
    /// <returns>False if it did not exist.</returns>
    public bool DeleteQueue(string queue)
    {
        lock (_gate)
        {
            if (!_queues.TryRemove(queue, out var removed))
            {
                return false;
            }

            _bindings = Array.FindAll(_bindings, binding => binding.Queue != queue);
            _routes = null;
            removed.Delete();
            return true;
        }
    }

    internal IReadOnlyList<string> QueueNames(string prefix) =>
        [.. _queues.Keys.Where(name => name.StartsWith(prefix, StringComparison.Ordinal) && !Names.IsDeadLetterQueue(name) && !Names.IsReplyQueue(name))];

    internal InMemoryQueue? FindQueue(string name) => _queues.GetValueOrDefault(name);

    internal void Declare(Topology topology)
    {
        lock (_gate)
        {
            foreach (var queue in topology.Queues)
            {
                Add(queue);
                Add(Names.DeadLetterQueue(queue));
            }

            foreach (var queue in topology.PriorityQueues)
            {
                _queues[queue].HavePriorities();
            }

            var bindings = new HashSet<Binding>(_bindings);
            bindings.UnionWith(topology.Bindings);
            _bindings = [.. bindings];
            _routes = null;
        }
    }

    internal void DeclareReplyQueue(string queue)
    {
        lock (_gate)
        {
            Add(queue);
        }
    }

    internal PublishResult Publish(in OutgoingMessage message)
    {
        var (kind, name) = (message.Destination.Kind, message.Destination.Name ?? "");
        string? whyIllegal = null;
        var queue = kind == DestinationKind.Queue ? FindQueue(name) : null;
        ReadOnlySpan<InMemoryQueue> queues = kind == DestinationKind.Topic ? Routes.Find(name, out whyIllegal) : queue is null ? [] : [queue];
        if (queues.Length > 0)
        {
            if (DuplicateWindow > TimeSpan.Zero && !_seen.TryAdd(message, DuplicateWindow))
            {
                return new(PublishStatus.Duplicate);
            }

            if (TryAdd(queues, message))
            {
                return new(PublishStatus.Stored);
            }

            _seen.Remove(message);
        }

        whyIllegal ??= kind == DestinationKind.Queue ? Names.WhyIllegalQueue(name) : null;
        if (whyIllegal is not null)
        {
            return new(PublishStatus.Rejected, new MessagingConfigurationException(whyIllegal));
        }

        var why = $"There is no queue for the {message.Destination}.";
        return new(PublishStatus.Unroutable, new TransportException(why, TransportError.QueueNotFound));
    }

    /// <summary>False if no queue is left of them: they were deleted meanwhile.</summary>
    private static bool TryAdd(ReadOnlySpan<InMemoryQueue> queues, in OutgoingMessage message)
    {
        var (copy, stored) = (Copy(message.Envelope), false);
        foreach (var queue in queues)
        {
            stored |= queue.TryAdd(copy, message.Delay);
        }

        return stored;
    }

    /// <summary>The caller may use its body's and headers' memory again, so the broker keeps its own; queues share one copy.</summary>
    private static Envelope Copy(Envelope envelope) => envelope with
    {
        Body = envelope.Body.IsEmpty ? default : envelope.Body.ToArray(),
        Headers = envelope.Headers.Count == 0
            ? Envelope.NoHeaders
            : new Dictionary<string, string>(envelope.Headers, StringComparer.Ordinal),
    };

    private void Add(string queue)
    {
        if (!_queues.ContainsKey(queue))
        {
            _queues[queue] = new InMemoryQueue(queue, this, _clock);
        }
    }

    private RoutingTable Reroute()
    {
        lock (_gate)
        {
            return _routes ??= new RoutingTable(_bindings, _queues);
        }
    }
}
