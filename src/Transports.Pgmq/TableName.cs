using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq;

/// <summary>The names of queues and topics → names in PostgreSQL.</summary>
internal static class TableName
{
    /// <summary>The longest name of a PGMQ queue.</summary>
    public const int MaxLength = 47;

    /// <summary>The PGMQ name of a queue: dots and dashes become underscores.</summary>
    /// <exception cref="MessagingConfigurationException">The name is illegal. Nothing but <c>a-z 0-9 _</c> gets past here.</exception>
    public static string Of(string queue)
    {
        if (Names.WhyIllegalQueue(queue) is { } why)
        {
            throw new MessagingConfigurationException(why);
        }

        return Names.SameAs(queue);
    }

    /// <summary>Why <c>pgmq.send</c> does not take the name of a queue, or null.</summary>
    public static string? WhyNotForeign(string queue) =>
        queue.Length is 0 or > MaxLength ? $"Queue is a name of 1 to {MaxLength} characters."
        : queue.AsSpan().ContainsAny("$;'\0") || queue.Contains("--", StringComparison.Ordinal) ? "The names of PGMQ's queues have no $ ; ' or --."
        : null;

    /// <summary>
    /// A regular expression that matches a dot and a topic as <see cref="TopicPattern"/> does, and what each match begins with;
    /// nulls for a pattern without wildcards.
    /// </summary>
    public static (string? Expression, string? Prefix) Match(string pattern)
    {
        if (!TopicPattern.HasWildcard(pattern))
        {
            return (null, null);
        }

        var expression = new System.Text.StringBuilder("^");
        string? prefix = null;
        var literal = "";
        var afterHash = false;
        foreach (var word in pattern.Split('.'))
        {
            if (word is "*" or "#")
            {
                prefix ??= literal;
                if (word == "*" || !afterHash)
                {
                    expression.Append(word == "*" ? @"\.[^.]+" : @"(?:\.[^.]+)*");
                }
            }
            else
            {
                literal += "." + word;
                expression.Append(@"\.").Append(word);
            }

            afterHash = word == "#";
        }

        return (expression.Append('$').ToString(), prefix);
    }
}
