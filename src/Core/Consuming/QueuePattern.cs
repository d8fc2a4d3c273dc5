using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <summary>The names of queues by how they begin: a beginning with a <c>*</c> behind, or <c>*</c> for all.</summary>
internal static class QueuePattern
{
    public static bool Is(string name) => name.EndsWith('*');

    public static string PrefixOf(string pattern) => pattern[..^1];

    /// <summary>Whether a queue is meant by a name or a pattern.</summary>
    public static bool Matches(string nameOrPattern, string queue) =>
        Is(nameOrPattern) ? queue.StartsWith(PrefixOf(nameOrPattern), StringComparison.Ordinal) : queue == nameOrPattern;

    /// <summary>Whether a queue may be meant by both names or patterns.</summary>
    public static bool Overlap(string one, string other) =>
        !Is(one) ? Matches(other, one)
        : !Is(other) ? Matches(one, other)
        : PrefixOf(one).StartsWith(PrefixOf(other), StringComparison.Ordinal) || PrefixOf(other).StartsWith(PrefixOf(one), StringComparison.Ordinal);

    /// <summary>Why no queue can have such a name, or null.</summary>
    public static string? WhyIllegal(string pattern) => pattern == "*" ? null : Names.WhyIllegalQueue(PrefixOf(pattern) + "0");
}
