namespace Postrider.Core.Stats;

/// <summary>Some counters that only rise or fall by one. Lock-free; nothing is allocated but when a processor comes for the first time.</summary>
internal sealed class Cells(int count)
{
    /// <summary>Of a cache line before and behind the counters, so that no other stripe's are on it.</summary>
    private const int Gap = 8;

    private readonly long[]?[] _stripes = new long[]?[Stripes.Count];

    public void Add(int stripe, int cell, long value = 1) => Interlocked.Add(ref (_stripes[stripe] ?? Create(stripe))[Gap + cell], value);

    /// <summary>The counter as of now. Those that are read after each other may be of different moments.</summary>
    public long Read(int cell)
    {
        var sum = 0L;
        foreach (var stripe in _stripes)
        {
            sum += stripe is null ? 0 : Volatile.Read(ref stripe[Gap + cell]);
        }

        return sum;
    }

    private long[] Create(int stripe)
    {
        var created = new long[count + (2 * Gap)];
        return Interlocked.CompareExchange(ref _stripes[stripe], created, null) ?? created;
    }
}
