using System.Collections.Concurrent;
using Postrider.Core.Transport;

namespace Postrider.Testing;

/// <summary>
/// Which fault is switched on, and what the faulty transports of one test know in common. It counts how often the fault struck:
/// a scenario that is red although nothing struck proves nothing.
/// </summary>
internal sealed class FaultSwitch(Fault fault)
{
    /// <summary>What <see cref="Fault.DelaysTooLong"/> adds.</summary>
    public static readonly TimeSpan TooLong = TimeSpan.FromSeconds(3);

    private readonly ConcurrentDictionary<string, int> _numbers = new();
    private int _strikes;

    public static FaultSwitch Off { get; } = new(Fault.None);

    public Fault Fault { get; } = fault;

    public int Strikes => Volatile.Read(ref _strikes);

    public FaultyRouter Router { get; } = new();

    /// <summary>Who holds which message: for settling what is another's.</summary>
    public ConcurrentDictionary<string, (IReceiver Receiver, Delivery Delivery)> Holders { get; } = new();

    /// <summary>Queues in which something is delayed for long.</summary>
    public ConcurrentDictionary<string, bool> Delayed { get; } = new();

    public ITransport Apply(ITransport transport) => Fault == Fault.None ? transport : new FaultyTransport(transport, this);

    /// <summary>Whether this is the fault and its condition is met: then it strikes.</summary>
    public bool Hits(Fault fault, bool condition = true)
    {
        if (fault != Fault || !condition)
        {
            return false;
        }

        Interlocked.Increment(ref _strikes);
        return true;
    }

    public bool StrikesFirstOfHundred(Fault fault) => fault == Fault && Hits(fault, Count(nameof(StrikesFirstOfHundred)) % 100 == 1);

    /// <summary>How often this was called for the name.</summary>
    public int Count(string name) => _numbers.AddOrUpdate(name, 1, static (_, count) => count + 1);

    public int Counted(string name) => _numbers.GetValueOrDefault(name);

    public void Set(string name, int value) => _numbers[name] = value;
}
