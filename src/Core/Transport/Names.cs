using System.Buffers;
using System.Security.Cryptography;

namespace Postrider.Core.Transport;

/// <summary>One rule of names for every transport, so that a change of broker never meets an illegal name.</summary>
/// <remarks>
/// Queue: words of <c>a-z 0-9 _ -</c> separated by dots, at most <see cref="MaxQueueLength"/> characters; the first word is not <c>amq</c>, which RabbitMQ keeps
/// for itself, nor <c>postrider</c>, but for queues of answers (<see cref="IsReplyQueue"/>). Two queues of an application must differ in more than <c>. - _</c> (<see cref="SameAs"/>).
/// Topic: words of <c>A-Z a-z 0-9 _ -</c> separated by dots, at most <see cref="MaxTopicLength"/> characters.
/// Pattern: a topic in which a word may also be <c>*</c> or <c>#</c>.
/// </remarks>
public static class Names
{
    /// <summary>The longest queue name. With <c>.dlq</c> it fits into 47 characters, the limit of PGMQ, the tightest of the brokers.</summary>
    public const int MaxQueueLength = 43;

    /// <summary>The longest topic or pattern.</summary>
    public const int MaxTopicLength = 255;

    private const string DeadLetterSuffix = ".dlq";
    private const string ReplyPrefix = "postrider.replies.";
    private const int ReplyIdLength = 24;
    private static readonly SearchValues<char> ReplyIdCharacters = SearchValues.Create("0123456789abcdef");
    private static readonly SearchValues<char> QueueCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789_-.");
    private static readonly SearchValues<char> TopicCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.");

    /// <summary>The dead-letter queue of a queue.</summary>
    public static string DeadLetterQueue(string queue) => queue + DeadLetterSuffix;

    /// <summary>Whether the name is that of a dead-letter queue.</summary>
    public static bool IsDeadLetterQueue(string queue) => queue.EndsWith(DeadLetterSuffix, StringComparison.Ordinal);

    /// <summary>
    /// Whether the name is that of a queue for answers, <c>postrider.replies.</c> and 24 hexadecimal digits: it is sent to like others, and neither declared nor consumed.
    /// </summary>
    public static bool IsReplyQueue(string? name) =>
        name is not null && name.Length == ReplyPrefix.Length + ReplyIdLength && name.StartsWith(ReplyPrefix, StringComparison.Ordinal)
        && !name.AsSpan(ReplyPrefix.Length).ContainsAnyExcept(ReplyIdCharacters);

    /// <summary>What a queue's name is on brokers that have neither dots nor dashes (PGMQ): names that are the same there are refused everywhere.</summary>
    public static string SameAs(string queue)
    {
        ArgumentNullException.ThrowIfNull(queue);
        return queue.Replace('.', '_').Replace('-', '_');
    }

    /// <summary>Throws unless the name is legal for a queue that is declared; dead-letter queues come by themselves and are refused.</summary>
    /// <exception cref="MessagingConfigurationException">It is not.</exception>
    public static void CheckQueue(string name)
    {
        if (WhyIllegalQueue(name) is { } why)
        {
            throw new MessagingConfigurationException(why);
        }

        if (IsReplyQueue(name))
        {
            throw new MessagingConfigurationException($"The queue name {Quote(name)} is kept for answers; their queues are made by themselves.");
        }

        if (IsDeadLetterQueue(name))
        {
            throw new MessagingConfigurationException(
                $"The queue name {Quote(name)} ends in '{DeadLetterSuffix}', which is kept for dead-letter queues; they are made by themselves.");
        }
    }

    /// <summary>Why the name is illegal for a queue or a dead-letter queue, or null.</summary>
    public static string? WhyIllegalQueue(string? name)
    {
        var length = name is not null && IsDeadLetterQueue(name) ? name.Length - DeadLetterSuffix.Length : name?.Length ?? 0;
        return WhyIllegal("queue", name, length, MaxQueueLength, QueueCharacters, "a-z, 0-9, '_' and '-'")
            ?? (name is "amq" or "postrider" || name!.StartsWith("amq.", StringComparison.Ordinal)
                || (name.StartsWith("postrider.", StringComparison.Ordinal) && !IsReplyQueue(name))
                ? $"The queue name {Quote(name)} is illegal: the first words 'amq' and 'postrider' are kept for RabbitMQ and for Postrider itself."
                : null);
    }

    /// <summary>Why the name is illegal for a topic, or null.</summary>
    public static string? WhyIllegalTopic(string? name) =>
        WhyIllegal("topic", name, name?.Length ?? 0, MaxTopicLength, TopicCharacters, "A-Z, a-z, 0-9, '_' and '-'");

    /// <summary>Throws unless the pattern is legal.</summary>
    /// <exception cref="MessagingConfigurationException">It is not.</exception>
    public static void CheckPattern(string pattern)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        if (pattern.Length > MaxTopicLength)
        {
            throw new MessagingConfigurationException($"The pattern {Quote(pattern)} has {pattern.Length} characters; the limit is {MaxTopicLength}.");
        }

        foreach (var word in pattern.Split('.'))
        {
            if (word is not ("*" or "#") && WhyIllegalTopic(word) is not null)
            {
                throw new MessagingConfigurationException(
                    $"The pattern {Quote(pattern)} is illegal: its words, separated by dots, are '*', '#', or made of A-Z, a-z, 0-9, '_' and '-'.");
            }
        }
    }

    internal static string NewReplyQueue() => ReplyPrefix + RandomNumberGenerator.GetHexString(ReplyIdLength, lowercase: true);

    private static string? WhyIllegal(string kind, string? name, int length, int limit, SearchValues<char> legal, string characters)
    {
        if (string.IsNullOrEmpty(name))
        {
            return $"A {kind} name is empty.";
        }

        if (length > limit)
        {
            return $"The {kind} name {Quote(name)} has {length} characters; the limit is {limit}.";
        }

        if (name.AsSpan().ContainsAnyExcept(legal) || name[0] == '.' || name[^1] == '.' || name.Contains("..", StringComparison.Ordinal))
        {
            return $"The {kind} name {Quote(name)} is illegal: it consists of words of {characters}, separated by single dots.";
        }

        return null;
    }

    /// <summary>For messages and logs: cut, and printable ASCII only, as other characters break or turn round the lines that they stand in.</summary>
    private static string Quote(string name)
    {
        var cut = name.Length > 80 ? string.Concat(name.AsSpan(0, 77), "...") : name;
        return "'" + string.Create(cut.Length, cut, static (span, source) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = source[i] is >= ' ' and <= '~' ? source[i] : '?';
            }
        }) + "'";
    }
}
