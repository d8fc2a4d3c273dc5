using System.Numerics;

namespace Postrider.Core.Transport;

/// <summary>The levels of a queue that has priorities (<see cref="Topology.PriorityQueues"/>): 0 to 9, and 9 goes first.</summary>
public static class Priorities
{
    /// <summary>The last.</summary>
    public const int Lowest = 0;

    /// <summary>That of a message that says nothing.</summary>
    public const int Default = 4;

    /// <summary>The first.</summary>
    public const int Highest = 9;

    /// <summary>How many there are.</summary>
    public const int Count = Highest + 1;

    /// <summary>The level of a message in a queue with priorities.</summary>
    public static int LevelOf(Envelope envelope)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        return envelope.Priority ?? Default;
    }

    /// <summary>
    /// For brokers where each level is a queue of its own: its name. The default level has the queue's own name, so that a queue is the same with and without
    /// priorities to whoever knows nothing of them. No queue of an application has such a name, as <c>~</c> is not legal there.
    /// </summary>
    public static string SubQueue(string queue, int level) => level == Default ? queue : $"{queue}~{level}";
}

/// <summary>Whose turn it is among the levels of one queue: the highest one's, but while lower ones wait one turn in so many is theirs, one after another.</summary>
/// <param name="oneIn">One turn in so many, at least 2; 0: never, so that lower levels wait until nothing else does.</param>
/// <remarks>Not thread-safe: for one receiver.</remarks>
public sealed class PriorityTurns(int oneIn)
{
    private readonly int _oneIn = oneIn is 0 or >= 2 ? oneIn : throw new ArgumentOutOfRangeException(nameof(oneIn), oneIn, "It is 0, or at least 2.");
    private int _passedOver;
    private int _lastLower;

    /// <summary>The level that the next message is to be of.</summary>
    /// <param name="waiting">A bit for each level (<c>1 &lt;&lt; level</c>) in which a message waits; at least one.</param>
    public int Next(int waiting)
    {
        ArgumentOutOfRangeException.ThrowIfZero(waiting);
        var highest = BitOperations.Log2((uint)waiting);
        var lower = waiting & ~(1 << highest);
        if (lower == 0)
        {
            _passedOver = 0;
            return highest;
        }

        if (_oneIn == 0 || ++_passedOver < _oneIn)
        {
            return highest;
        }

        // The next below the one that had such a turn last, and round again.
        _passedOver = 0;
        var below = lower & ((1 << _lastLower) - 1);
        return _lastLower = BitOperations.Log2((uint)(below != 0 ? below : lower));
    }
}
