using System.Buffers;
using System.Globalization;
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

    /// <summary>The levels of a queue that are beside it: all but the default one.</summary>
    public static readonly int[] Levels = [.. Enumerable.Range(Priorities.Lowest, Priorities.Count).Where(static level => level != Priorities.Default)];

    /// <summary>The consumer of a queue's own stream that waits for what is delayed.</summary>
    public const string Parked = "parked";

    /// <summary>As in <see cref="Priorities.SubQueue"/>.</summary>
    private const char LevelMark = '~';

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

    /// <summary>The stream of answers to requests.</summary>
    public string RepliesStream { get; } = prefix + "_replies";

    /// <summary>All answers.</summary>
    public string AllReplies { get; } = prefix + ".r.>";

    /// <summary>The bucket of the state store. Its stream is this after <c>KV_</c>.</summary>
    public string StateBucket { get; } = prefix + "_state";

    /// <summary>What is written to learn the server's time.</summary>
    public string Clock { get; } = prefix + ".c";

    public static bool IsPrefix(string? text) => text is { Length: >= 1 and <= 32 } && !text.AsSpan().ContainsAnyExcept(PrefixCharacters);

    /// <summary>Why a message cannot go to a subject as one that is not ours, or null.</summary>
    public static string? WhyNotForeign(string subject, string prefix) =>
        subject.Length == 0 ? "Subject is missing."
        : subject.Length > Names.MaxTopicLength ? $"The subject has {subject.Length} characters; the limit is {Names.MaxTopicLength}."
        : subject[0] == '$' ? $"The subject '{subject}' is the server's own."
        : subject.StartsWith(prefix + ".", StringComparison.Ordinal) ? $"The subject '{subject}' is Postrider's own."
        : subject.AsSpan().ContainsAnyExceptInRange('!', '~') || subject.Split('.').Any(static word => word is "" or "*" or ">")
            ? "A subject consists of words of printable ASCII without spaces, separated by single dots, and none is '*' or '>'."
        : null;

    /// <summary>The subject of a topic.</summary>
    public string OfTopic(string topic) => TopicPrefix + topic;

    /// <summary>The subject of what is ready in a queue, or in a queue for answers.</summary>
    public string OfQueue(string queue) => string.Concat(prefix, Names.IsReplyQueue(queue) ? ".r." : ".q.", queue);

    /// <summary>The subject of what is ready in a level of a queue, which of the default level is the queue's own.</summary>
    public string OfLevel(string queue, int level) => OfQueue(Priorities.SubQueue(queue, level));

    /// <summary>The level of a subject that is a queue's.</summary>
    public static int LevelOf(string subject) =>
        subject is [.., LevelMark, >= '0' and <= '9' and var level] ? level - '0' : Priorities.Default;

    /// <summary>What stands for the levels of a queue beside the default one where queues have a name: a stream, and the word in the bindings' stream that there are any.</summary>
    public static string LevelsOf(string queue) => queue + LevelMark;

    /// <summary>The queue whose levels the name stands for, or null if it is a queue's.</summary>
    public static string? QueueOfLevels(string name) => name is [.. var queue, LevelMark] ? queue : null;

    /// <summary>The subject of what is delayed for a queue.</summary>
    public string OfDelayed(string queue) => string.Concat(prefix, ".d.", queue);

    /// <summary>The subject of a queue's bindings.</summary>
    public string OfBindings(string queue) => string.Concat(prefix, ".b.", queue);

    /// <summary>The queue of a subject of <see cref="AllBindings"/>.</summary>
    public string QueueOfBindings(string subject) => subject[(prefix.Length + 3)..];

    /// <summary>The stream of a queue's own.</summary>
    public string StreamOf(string queue) => string.Concat(prefix, "_q_", queue.Replace('.', '='));

    /// <summary>What is ready in all queues.</summary>
    public string AllQueues { get; } = prefix + ".q.>";

    /// <summary>The queue of a stream, or null if it is none's.</summary>
    public string? QueueOfStream(string stream) => stream.StartsWith(prefix + "_q_", StringComparison.Ordinal) ? stream[(prefix.Length + 3)..].Replace('=', '.') : null;

    /// <summary>The durable consumer of a queue on the topics' stream.</summary>
    public static string ConsumerOf(string queue) => queue.Replace('.', '=');

    /// <summary>The consumer of a level on the stream of a queue's levels.</summary>
    public static string ConsumerOf(int level) => level.ToString(CultureInfo.InvariantCulture);

    /// <exception cref="MessagingConfigurationException">The name is illegal.</exception>
    public static void Check(string queue)
    {
        if (Names.WhyIllegalQueue(queue) is { } why)
        {
            throw new MessagingConfigurationException(why);
        }
    }
}
