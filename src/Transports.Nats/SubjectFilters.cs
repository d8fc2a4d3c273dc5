namespace Postrider.Transports.Nats;

/// <summary>Topic patterns → subject filters that take at least what the patterns match, and do not overlap. Pure.</summary>
/// <remarks>
/// NATS has <c>*</c> for one word and <c>></c> for one or more at the end only, and refuses filters that overlap. So a <c>#</c> becomes <c>></c>
/// with everything before it (<c>a.#</c> also matches <c>a</c>, so it takes two filters), and overlapping ones are widened to one. What is taken
/// too much, the receiver drops.
/// </remarks>
internal static class SubjectFilters
{
    /// <summary>More filters than this cost the server more than dropping does here.</summary>
    private const int Most = 100;

    /// <param name="topicPrefix">What all subjects of topics begin with, and its dot.</param>
    /// <param name="patterns">The patterns.</param>
    /// <param name="severalAllowed">Whether the server knows consumers with more than one filter.</param>
    /// <returns>At least one filter if there is a pattern; sorted.</returns>
    public static string[] Of(string topicPrefix, IReadOnlyCollection<string> patterns, bool severalAllowed)
    {
        var filters = new List<string[]>();
        foreach (var pattern in patterns)
        {
            var words = pattern.Split('.');
            var hash = Array.IndexOf(words, "#");
            if (hash < 0)
            {
                Add(filters, words);
                continue;
            }

            if (hash > 0 && !words.AsSpan(hash).ContainsAnyExcept("#"))
            {
                // a.# matches a, which a.> does not.
                Add(filters, words[..hash]);
            }

            Add(filters, [.. words[..hash], ">"]);
        }

        if (filters.Count > (severalAllowed ? Most : 1))
        {
            filters = [Widest(filters)];
        }

        if (!severalAllowed && filters.Count == 1 && !filters[0].AsSpan().ContainsAny("*", ">"))
        {
            // Server 2.9 never notices that a filter has become one with a wildcard: so it has one from the beginning.
            filters[0] = [.. filters[0][..^1], "*"];
        }

        var result = new string[filters.Count];
        for (var i = 0; i < result.Length; i++)
        {
            result[i] = topicPrefix + string.Join('.', filters[i]);
        }

        Array.Sort(result, StringComparer.Ordinal);
        return result;
    }

    /// <summary>Whether some subject matches both.</summary>
    internal static bool Overlap(ReadOnlySpan<string> one, ReadOnlySpan<string> other)
    {
        for (var i = 0; i < one.Length && i < other.Length; i++)
        {
            if (one[i] == ">" || other[i] == ">")
            {
                return true;
            }

            if (one[i] != other[i] && one[i] != "*" && other[i] != "*")
            {
                return false;
            }
        }

        return one.Length == other.Length;
    }

    private static void Add(List<string[]> filters, string[] added)
    {
        for (var i = 0; i < filters.Count; i++)
        {
            if (Overlap(filters[i], added))
            {
                // What comes of the two may overlap with further ones, so it is added anew.
                var both = Union(filters[i], added);
                filters.RemoveAt(i);
                Add(filters, both);
                return;
            }
        }

        filters.Add(added);
    }

    /// <summary>The narrowest filter that takes what either takes.</summary>
    private static string[] Union(string[] one, string[] other)
    {
        var words = new List<string>();
        for (var i = 0; i < one.Length && i < other.Length; i++)
        {
            if (one[i] == ">" || other[i] == ">")
            {
                words.Add(">");
                return [.. words];
            }

            words.Add(one[i] == other[i] ? one[i] : "*");
        }

        if (one.Length != other.Length)
        {
            // a and a.> together: the words before the end of the shorter one, then all that follows.
            words[^1] = ">";
        }

        return [.. words];
    }

    private static string[] Widest(List<string[]> filters)
    {
        var widest = filters[0];
        for (var i = 1; i < filters.Count; i++)
        {
            widest = Union(widest, filters[i]);
        }

        return widest;
    }
}
