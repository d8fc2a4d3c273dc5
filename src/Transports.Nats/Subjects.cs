using System.Buffers;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>The names of queues and topics → names on the server. Only names that were checked get here.</summary>
/// <remarks>
/// Streams and consumers may not have dots in their names, so a dot becomes <c>=</c>, which no queue's name has: two queues never share one.
/// </remarks>
internal sealed class Subjects(string prefix)
{
    /// <summary>The consumer of a queue's own stream that hands out what is ready.</summary>
    public const string Ready = "ready";

    /// <summary>The consumer of a queue's own stream that waits for what is delayed.</summary>
    public const string Parked = "parked";

    private static readonly SearchValues<char> PrefixCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

    /// <summary>The stream of what is published to topics.</summary>
    public string TopicsStream { get; } = prefix + "_topics";

    /// <summary>All topics.</summary>
    public string AllTopics { get; } = prefix + ".t.>";

    /// <summary>What the subject of a topic begins with.</summary>
    public string TopicPrefix { get; } = prefix + ".t.";

    /// <summary>The stream of which patterns each queue is bound to.</summary>
    public string BindingsStream { get; } = prefix + "_bindings";

    /// <summary>The bindings of all queues.</summary>
    public string AllBindings { get; } = prefix + ".b.>";

    /// <summary>What is written to learn the server's time.</summary>
    public string Clock { get; } = prefix + ".c";

    public static bool IsPrefix(string? text) => text is { Length: >= 1 and <= 32 } && !text.AsSpan().ContainsAnyExcept(PrefixCharacters);

    /// <summary>The subject of a topic.</summary>
    public string OfTopic(string topic) => TopicPrefix + topic;

    /// <summary>The subject of what is ready in a queue.</summary>
    public string OfQueue(string queue) => string.Concat(prefix, ".q.", queue);

    /// <summary>The subject of what is delayed for a queue.</summary>
    public string OfDelayed(string queue) => string.Concat(prefix, ".d.", queue);

    /// <summary>The subject of a queue's bindings.</summary>
    public string OfBindings(string queue) => string.Concat(prefix, ".b.", queue);

    /// <summary>The queue of a subject of <see cref="AllBindings"/>.</summary>
    public string QueueOfBindings(string subject) => subject[(prefix.Length + 3)..];

    /// <summary>The stream of a queue's own.</summary>
    public string StreamOf(string queue) => string.Concat(prefix, "_q_", queue.Replace('.', '='));

    /// <summary>The durable consumer of a queue on the topics' stream.</summary>
    public static string ConsumerOf(string queue) => queue.Replace('.', '=');

    /// <exception cref="MessagingConfigurationException">The name is illegal.</exception>
    public static void Check(string queue)
    {
        if (Names.WhyIllegalQueue(queue) is { } why)
        {
            throw new MessagingConfigurationException(why);
        }
    }
}
