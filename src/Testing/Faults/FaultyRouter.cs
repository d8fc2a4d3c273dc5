using Postrider.Core.Transport;

namespace Postrider.Testing;

/// <summary>Knows the bindings that were declared, and routes by wrong rules.</summary>
internal sealed class FaultyRouter
{
    private readonly Lock _gate = new();
    private readonly HashSet<string> _queues = [];
    private readonly List<OutgoingMessage> _history = [];
    private List<Binding> _bindings = [];

    public IReadOnlyList<string> Queues
    {
        get
        {
            lock (_gate)
            {
                return [.. _queues];
            }
        }
    }

    /// <summary>Whether the routing of this fault is wrong at all.</summary>
    public static bool IsOn(Fault fault) => fault is Fault.SharesOneCopy or Fault.StarTakesMany or Fault.HashNeedsAWord
        or Fault.MissesPatterns or Fault.DeliversOverlapTwice or Fault.MisroutesTopics or Fault.DeclareForgetsOld;

    /// <summary>Remembers the queues, and tells whether one of them was known.</summary>
    public bool Meet(Topology topology)
    {
        lock (_gate)
        {
            var isKnown = topology.Queues.Any(_queues.Contains);
            _queues.UnionWith(topology.Queues);
            return isKnown;
        }
    }

    public void Add(Topology topology, Fault fault)
    {
        lock (_gate)
        {
            _bindings = [.. (fault == Fault.DeclareForgetsOld ? [] : _bindings).Union(topology.Bindings)];
        }
    }

    public void Remember(in OutgoingMessage message)
    {
        lock (_gate)
        {
            _history.Add(message);
        }
    }

    /// <summary>What was published before and would match the topology.</summary>
    public IReadOnlyList<OutgoingMessage> Missed(Topology topology)
    {
        lock (_gate)
        {
            return [.. from message in _history
                       from binding in topology.Bindings
                       where TopicPattern.Matches(binding.Pattern, message.Destination.Name)
                       select message with { Destination = Destination.Queue(binding.Queue) }];
        }
    }

    public IReadOnlyList<string> Route(string topic, Fault fault)
    {
        lock (_gate)
        {
            var queues = _bindings.Where(binding => Matches(binding.Pattern, topic, fault)).Select(static binding => binding.Queue);
            return fault switch
            {
                Fault.DeliversOverlapTwice => [.. queues],
                Fault.SharesOneCopy => [.. queues.Take(1)],
                _ => [.. queues.Distinct()],
            };
        }
    }

    private static bool Matches(string pattern, string topic, Fault fault) => fault switch
    {
        Fault.MissesPatterns => pattern == topic,
        Fault.MisroutesTopics => TopicPattern.Matches(pattern.AsSpan(..^1), topic.AsSpan(..^1)),
        Fault.StarTakesMany => TopicPattern.Matches(pattern.Replace("*", "*.#", StringComparison.Ordinal), topic),
        Fault.HashNeedsAWord => TopicPattern.Matches(pattern.Replace("#", "*.#", StringComparison.Ordinal), topic),
        _ => TopicPattern.Matches(pattern, topic),
    };
}
