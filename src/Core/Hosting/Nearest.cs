namespace Postrider.Core.Hosting;

/// <summary>What somebody probably meant who wrote something that is not known.</summary>
internal static class Nearest
{
    /// <summary><c> Did you mean 'Prefix'?</c> if one of the known is near enough, else all of them.</summary>
    public static string Hint(string word, IEnumerable<string> known)
    {
        string[] all = [.. known.Order(StringComparer.OrdinalIgnoreCase)];
        var nearest = all.MinBy(one => Distance(word, one));
        return nearest is null ? " Nothing is known here."
            : Distance(word, nearest) <= Math.Max(1, nearest.Length / 3) ? $" Did you mean '{nearest}'?"
            : $" Known are: {string.Join(", ", all)}.";
    }

    /// <summary>How many characters are to be added, taken away, replaced or swapped with their neighbour; upper and lower case are the same.</summary>
    public static int Distance(string one, string other)
    {
        var (before, last, next) = (new int[other.Length + 1], new int[other.Length + 1], new int[other.Length + 1]);
        for (var j = 0; j <= other.Length; j++)
        {
            last[j] = j;
        }

        for (var i = 1; i <= one.Length; i++)
        {
            next[0] = i;
            for (var j = 1; j <= other.Length; j++)
            {
                var replaced = last[j - 1] + (Same(i - 1, j - 1) ? 0 : 1);
                next[j] = Math.Min(replaced, Math.Min(last[j], next[j - 1]) + 1);
                if (i > 1 && j > 1 && Same(i - 1, j - 2) && Same(i - 2, j - 1))
                {
                    next[j] = Math.Min(next[j], before[j - 2] + 1);
                }
            }

            (before, last, next) = (last, next, before);
        }

        return last[other.Length];

        bool Same(int i, int j) => char.ToUpperInvariant(one[i]) == char.ToUpperInvariant(other[j]);
    }
}
