namespace Postrider.Core.Stats;

/// <summary>A run as it is kept. A time of its end by the timestamp's clock.</summary>
internal readonly record struct KeptRun(long Nanoseconds, long Ended, string MessageId, int Attempt, HandlingOutcome Outcome);

/// <summary>
/// The slowest runs of the current period and of the one before, so that those of a slow start do not stay forever. Most runs are not slow, and cost one
/// comparison.
/// </summary>
internal sealed class SlowRunList
{
    public const int Size = 10;

    private readonly Lock _lock = new();
    private KeptRun[] _current = new KeptRun[Size];
    private KeptRun[] _former = new KeptRun[Size];
    private int _count;
    private int _formerCount;
    private long _least = -1;

    /// <summary>Whether a run belongs to the slowest ones so far.</summary>
    public bool IsSlow(long nanoseconds) => nanoseconds > Volatile.Read(ref _least);

    public void Add(in KeptRun run)
    {
        lock (_lock)
        {
            if (!IsSlow(run.Nanoseconds))
            {
                return;
            }

            var place = _count < Size ? _count++ : Fastest();
            _current[place] = run;
            Volatile.Write(ref _least, _count < Size ? -1 : _current[Fastest()].Nanoseconds);
        }
    }

    /// <summary>A new period begins.</summary>
    public void Turn()
    {
        lock (_lock)
        {
            (_current, _former) = (_former, _current);
            (_count, _formerCount) = (0, _count);
            Array.Clear(_current);
            Volatile.Write(ref _least, -1);
        }
    }

    /// <summary>The slowest runs of both periods, in no order.</summary>
    public KeptRun[] Read()
    {
        lock (_lock)
        {
            return [.. _current.AsSpan(0, _count), .. _former.AsSpan(0, _formerCount)];
        }
    }

    private int Fastest()
    {
        var place = 0;
        for (var i = 1; i < Size; i++)
        {
            place = _current[i].Nanoseconds < _current[place].Nanoseconds ? i : place;
        }

        return place;
    }
}
