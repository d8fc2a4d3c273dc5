using System.Collections.Concurrent;
using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <summary>A broker in this process: it holds what the <see cref="InMemoryTransport"/>s on it share.</summary>
/// <remarks>
/// <para>Thread-safe. Needs no disposal: it runs no threads, and timers only while a receiver waits.</para>
/// <para>All delays and leases are on the given clock: if a test advances it, what is due comes out at once, and nothing before.</para>
/// </remarks>
/// <param name="timeProvider">The clock; null for the system's.</param>
public sealed class InMemoryBroker(TimeProvider? timeProvider = null)
{
    private readonly BrokerClock _clock = new(timeProvider ?? TimeProvider.System);
    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<string, InMemoryQueue> _queues = new(StringComparer.Ordinal);
    private Binding[] _bindings = [];
    private volatile RoutingTable? _routes;

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
        var name = message.Destination.Name ?? "";
        string? whyIllegal;
        if (message.Destination.Kind == DestinationKind.Topic)
        {
            var stored = false;
            if (Routes.Find(name, out whyIllegal) is { Length: > 0 } queues)
            {
                var copy = Copy(message.Envelope);
                foreach (var queue in queues)
                {
                    stored |= queue.TryAdd(copy, message.Delay);
                }
            }

            if (stored)
            {
                return new(PublishStatus.Stored);
            }
        }
        else if (FindQueue(name) is { } queue && queue.TryAdd(Copy(message.Envelope), message.Delay))
        {
            return new(PublishStatus.Stored);
        }
        else
        {
            whyIllegal = Names.WhyIllegalQueue(name);
        }

        if (whyIllegal is not null)
        {
            return new(PublishStatus.Rejected, new MessagingConfigurationException(whyIllegal));
        }

        var why = $"There is no queue for the {message.Destination}.";
        return new(PublishStatus.Unroutable, new TransportException(why, TransportError.QueueNotFound));
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
