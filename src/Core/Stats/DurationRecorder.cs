namespace Postrider.Core.Stats;

/// <summary>A histogram that is written by many threads at once. Lock-free; the buckets of a doubling are allocated when its first duration comes.</summary>
internal sealed class DurationRecorder
{
    private const int PerPage = 1 << DurationScale.Bits;
    private static readonly int Pages = (DurationScale.Buckets + PerPage - 1) / PerPage;

    private readonly long[]?[]?[] _stripes = new long[]?[]?[Stripes.Count];

    /// <param name="stripe">The caller's (<see cref="Stripes"/>).</param>
    /// <param name="nanoseconds">Negative ones, as of clocks that differ, count as 0.</param>
    public void Record(int stripe, long nanoseconds)
    {
        var index = DurationScale.Index(nanoseconds, DurationScale.Bits);
        var pages = _stripes[stripe] ?? Create(ref _stripes[stripe], Pages);
        var page = pages[index >> DurationScale.Bits] ?? Create(ref pages[index >> DurationScale.Bits], PerPage);
        Interlocked.Increment(ref page[index & (PerPage - 1)]);
    }

    /// <summary>All that was recorded so far.</summary>
    public Durations Read()
    {
        var counts = new long[Pages * PerPage];
        foreach (var pages in _stripes)
        {
            for (var page = 0; pages is not null && page < Pages; page++)
            {
                for (var i = 0; pages[page] is { } buckets && i < PerPage; i++)
                {
                    counts[(page * PerPage) + i] += Volatile.Read(ref buckets[i]);
                }
            }
        }

        return Durations.Of(counts);
    }

    private static T[] Create<T>(ref T[]? place, int length)
    {
        var created = new T[length];
        return Interlocked.CompareExchange(ref place, created, null) ?? created;
    }
}
