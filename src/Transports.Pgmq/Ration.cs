namespace Postrider.Transports.Pgmq;

/// <summary>
/// Lets something that has become slow take a tenth of the time at most. What is quick may always be done.
/// </summary>
internal sealed class Ration(TimeProvider time)
{
    /// <summary>What costs no more is quick.</summary>
    private static readonly TimeSpan Quick = TimeSpan.FromMilliseconds(10);

    private const int Share = 10;

    private long _endedAt;
    private TimeSpan _pause;

    /// <summary>How long until it may be done again.</summary>
    public TimeSpan Left => _pause > TimeSpan.Zero && _pause - time.GetElapsedTime(_endedAt) is { Ticks: > 0 } left ? left : TimeSpan.Zero;

    /// <summary>It was done.</summary>
    public void Took(TimeSpan took)
    {
        _pause = took > Quick ? took * Share : TimeSpan.Zero;
        _endedAt = time.GetTimestamp();
    }
}
