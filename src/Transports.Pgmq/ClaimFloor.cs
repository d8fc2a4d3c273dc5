namespace Postrider.Transports.Pgmq;

/// <summary>
/// Where in the index of <c>vt</c> a receiver begins to look. A snapshot that another session holds open for long keeps all rows that were deleted since
/// in front of those that are due, and each look from the beginning passes them. Then most looks begin a little before the oldest row
/// that was claimed last, and only some go through everything, for what was committed late. While looks are quick, all go through everything.
/// </summary>
/// <remarks>For one receiver, which claims one batch at a time.</remarks>
internal sealed class ClaimFloor(TimeProvider time)
{
    /// <summary>Everything.</summary>
    public static readonly DateTime None = DateTime.SpecifyKind(DateTime.MinValue, DateTimeKind.Utc);

    /// <summary>Publishes that are under way at once are committed in another order than their rows have.</summary>
    private static readonly TimeSpan Slack = TimeSpan.FromMilliseconds(100);

    private readonly Ration _full = new(time);
    private DateTime _floor = None;
    private TimeSpan _short;
    private bool _isCompared;
    private volatile bool _isForgotten;

    /// <summary>Whether the last look followed one that passed no dead rows: else what it spent on them may be what claiming takes, of large messages say.</summary>
    public bool IsKnown { get; private set; }

    /// <summary>Begins a look: the <c>vt</c> from which on rows are to be claimed.</summary>
    public DateTime Begin()
    {
        if (_isForgotten)
        {
            _isForgotten = false;
            return None;
        }

        return _full.Left > TimeSpan.Zero ? _floor : None;
    }

    /// <summary>The next look goes through everything: a row has got its old <c>vt</c> back. Thread-safe.</summary>
    public void Forget() => _isForgotten = true;

    /// <summary>Ends it.</summary>
    /// <param name="begin">What <see cref="Begin"/> said.</param>
    /// <param name="oldest">The oldest <c>vt</c> of what was claimed, if anything was.</param>
    /// <param name="took">How long the statement took.</param>
    /// <returns>What of that was spent on passing dead rows, as far as that is known.</returns>
    public TimeSpan End(DateTime begin, DateTime? oldest, TimeSpan took)
    {
        if (oldest is { } vt)
        {
            _floor = vt - None > Slack ? vt - Slack : None;
        }

        if (begin != None)
        {
            (_short, _isCompared) = (took, true);
            return TimeSpan.Zero;
        }

        // Less what claiming takes by itself, as far as that is known: it was slow once, perhaps.
        var vain = took > _short ? took - _short : TimeSpan.Zero;
        _short *= 0.9;
        (IsKnown, _isCompared) = (_isCompared, false);
        _full.Took(vain);
        return vain;
    }
}
