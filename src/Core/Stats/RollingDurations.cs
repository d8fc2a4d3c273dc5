namespace Postrider.Core.Stats;

/// <summary>What a histogram was at the last full minutes, five back. Not thread-safe.</summary>
internal sealed class RollingDurations(Func<Durations> current)
{
    private const int Minutes = 5;

    private readonly Queue<Durations> _earlier = new([Durations.None]);

    /// <summary>A minute is over.</summary>
    public void Turn()
    {
        _earlier.Enqueue(current());
        if (_earlier.Count > Minutes + 1)
        {
            _earlier.Dequeue();
        }
    }

    /// <summary>What came in the last five full minutes and the current one.</summary>
    public Durations Read() => current().Since(_earlier.Peek());
}
