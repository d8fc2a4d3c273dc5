namespace Postrider.Core.Transport;

/// <summary>Matching of topics: <c>*</c> is one word, <c>#</c> zero or more. The same on every transport.</summary>
public static class TopicPattern
{
    /// <summary>Whether the pattern has a wildcard.</summary>
    public static bool HasWildcard(string pattern) => pattern.AsSpan().ContainsAny('*', '#');

    /// <summary>Whether the topic matches the pattern.</summary>
    /// <remarks>Takes time at most proportional to the product of their lengths: only the last <c>#</c> is ever backed up to.</remarks>
    public static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> topic)
    {
        int p = 0, t = 0, afterHash = -1, retryAt = 0;
        while (t <= topic.Length)
        {
            var word = t > topic.Length ? default : Word(topic, t);
            if (p <= pattern.Length && Word(pattern, p) is var part && part is "#")
            {
                afterHash = p + 2;
                retryAt = t;
                p = afterHash;
            }
            else if (p <= pattern.Length && (Word(pattern, p) is "*" || Word(pattern, p).SequenceEqual(word)))
            {
                p += Word(pattern, p).Length + 1;
                t += word.Length + 1;
            }
            else if (afterHash >= 0)
            {
                retryAt += Word(topic, retryAt).Length + 1;
                t = retryAt;
                p = afterHash;
            }
            else
            {
                return false;
            }
        }

        while (p <= pattern.Length && Word(pattern, p) is "#")
        {
            p += 2;
        }

        return p > pattern.Length;
    }

    private static ReadOnlySpan<char> Word(ReadOnlySpan<char> text, int start)
    {
        var rest = text[start..];
        var dot = rest.IndexOf('.');
        return dot < 0 ? rest : rest[..dot];
    }
}
