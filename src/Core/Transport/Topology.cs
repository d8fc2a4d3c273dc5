namespace Postrider.Core.Transport;

/// <summary>The queues and bindings that an application needs. Names are checked on construction (see <see cref="Names"/>).</summary>
public sealed class Topology
{
    /// <summary>Checks the names and keeps the lists.</summary>
    /// <exception cref="MessagingConfigurationException">A name is illegal, two queues' names are too much alike, or a binding or a priority names a queue that is not in the list.</exception>
    public Topology(IReadOnlyList<string> queues, IReadOnlyList<Binding> bindings, IReadOnlyList<string>? priorityQueues = null)
    {
        ArgumentNullException.ThrowIfNull(queues);
        ArgumentNullException.ThrowIfNull(bindings);
        var taken = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var queue in queues)
        {
            Names.CheckQueue(queue);
            Take(queue, queue);
            Take(Names.DeadLetterQueue(queue), queue);
        }

        foreach (var binding in bindings)
        {
            Names.CheckPattern(binding.Pattern);
            if (!queues.Contains(binding.Queue))
            {
                throw new MessagingConfigurationException(
                    $"The binding of '{binding.Pattern}' names the queue '{binding.Queue}', which the topology does not have. Add the queue.");
            }
        }

        if (priorityQueues?.FirstOrDefault(queue => !queues.Contains(queue)) is { } missing)
        {
            throw new MessagingConfigurationException($"Priorities are for the queue '{missing}', which the topology does not have. Add the queue.");
        }

        Queues = [.. queues];
        PriorityQueues = [.. priorityQueues ?? []];
        Bindings = [.. bindings];

        void Take(string name, string queue)
        {
            if (!taken.TryAdd(Names.SameAs(name), queue) && taken[Names.SameAs(name)] is var other && other != queue)
            {
                throw new MessagingConfigurationException(
                    $"The queues '{other}' and '{queue}', or a dead-letter queue of theirs, would be one on brokers that have neither dots nor dashes in names (PGMQ). "
                    + "Rename one.");
            }
        }
    }

    /// <summary>The queues. Each has a dead-letter queue beside it, named by <see cref="Names.DeadLetterQueue"/>.</summary>
    public IReadOnlyList<string> Queues { get; }

    /// <summary>
    /// The queues among them that have levels (<see cref="Priorities"/>). A queue that has them keeps them: a later declaration without them changes nothing.
    /// </summary>
    public IReadOnlyList<string> PriorityQueues { get; }

    /// <summary>Which topics go to which queue.</summary>
    public IReadOnlyList<Binding> Bindings { get; }
}

/// <summary>Messages published to a topic that matches the pattern go to the queue.</summary>
/// <param name="Pattern">Words separated by dots; <c>*</c> stands for one word, <c>#</c> for zero or more.</param>
/// <param name="Queue">The queue that gets a copy.</param>
public readonly record struct Binding(string Pattern, string Queue);
