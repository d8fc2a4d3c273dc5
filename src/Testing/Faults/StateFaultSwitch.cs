using System.Collections.Concurrent;
using Postrider.Core.State;

namespace Postrider.Testing;

/// <summary>Which fault is switched on, and what the faulty stores of one test know in common. It counts how often the fault struck.</summary>
internal sealed class StateFaultSwitch(StateFault fault)
{
    private int _strikes;

    public StateFault Fault { get; } = fault;

    public int Strikes => Volatile.Read(ref _strikes);

    /// <summary>The server was killed, and whether it is still away.</summary>
    public bool WasKilled { get; set; }

    public bool IsAway { get; set; }

    /// <summary>Keys that were put, with the end of their first entry by the clock of whoever put it.</summary>
    public ConcurrentDictionary<string, DateTimeOffset> Ends { get; } = new(StringComparer.Ordinal);

    public ConcurrentDictionary<string, bool> Deleted { get; } = new(StringComparer.Ordinal);

    /// <summary>By how much the revisions of a key are told too low.</summary>
    public ConcurrentDictionary<string, long> Offsets { get; } = new(StringComparer.Ordinal);

    public IStateStore Apply(IStateStore store, TimeProvider? clock) =>
        Fault == StateFault.None ? store : new FaultyStateStore(store, this, clock ?? TimeProvider.System);

    public bool Hits(StateFault fault, bool condition = true)
    {
        if (fault != Fault || !condition)
        {
            return false;
        }

        Interlocked.Increment(ref _strikes);
        return true;
    }
}
