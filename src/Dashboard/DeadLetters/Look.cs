namespace Postrider.Dashboard.DeadLetters;

/// <summary>What one page finds. A filter that fits little would go through a whole queue: so a look ends after some time too, and the next page goes on.</summary>
/// <param name="Found">Those that fit.</param>
/// <param name="Fitting">How many fit.</param>
/// <param name="Looked">How many it looked at.</param>
/// <param name="Next">Where the next page begins, or null at the end.</param>
internal sealed record Look(IReadOnlyList<DeadLetter> Found, long Fitting, long Looked, string? Next)
{
    public const int Page = 50;
    private const int Most = 2_000;
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);

    /// <summary>The page that begins where the view says.</summary>
    public static ValueTask<Look> AtAsync(IDeadLetters letters, View view, TimeProvider time, CancellationToken cancellationToken) =>
        AtAsync(letters, view, time, Page, cancellationToken);

    /// <summary>How many fit, from the first on, and none of them in memory.</summary>
    public static ValueTask<Look> CountAsync(IDeadLetters letters, View view, TimeProvider time, CancellationToken cancellationToken) =>
        AtAsync(letters, view with { After = null }, time, 0, cancellationToken);

    private static async ValueTask<Look> AtAsync(IDeadLetters letters, View view, TimeProvider time, int page, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        var found = new List<DeadLetter>();
        var (fitting, looked) = (0L, 0L);
        // Unfiltered, to know where it is between two that fit.
        await foreach (var letter in letters.ListAsync(view.Queue, null, view.After, cancellationToken).ConfigureAwait(false))
        {
            looked++;
            if (view.Filter.Matches(letter))
            {
                fitting++;
                if (page > 0)
                {
                    found.Add(letter);
                }
            }

            if ((page > 0 && found.Count == page) || looked == Most || time.GetElapsedTime(began) > Longest)
            {
                return new(found, fitting, looked, letter.Position);
            }
        }

        return new(found, fitting, looked, null);
    }
}
