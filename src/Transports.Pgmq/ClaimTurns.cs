using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq;

/// <summary>
/// Whose turn it is in the claims of a queue with priorities. The rule is that of <see cref="PriorityTurns"/>, for many at once and before it is known what waits:
/// each claim asks for as many messages of lower levels as have a turn in it, should it be full, and they get their places when it is there.
/// </summary>
/// <remarks>For one receiver, which claims one batch at a time.</remarks>
internal sealed class ClaimTurns(int oneIn)
{
    private int _passed;
    private int _lastLower;

    /// <summary>How many of so many may be of lower levels than the highest that waits.</summary>
    public int Lower(int max) => oneIn == 0 ? 0 : (int)(((long)_passed + max) / oneIn);

    /// <summary>All levels, in the order in which they have such turns: from the next below the one that had the last, and round again.</summary>
    public int[] Order()
    {
        var order = new int[Priorities.Count];
        for (var level = 0; level < order.Length; level++)
        {
            order[Place(level)] = level;
        }

        return order;
    }

    /// <summary>Puts what was claimed into the order of the turns; levels keep theirs.</summary>
    /// <param name="upper">What was claimed by level.</param>
    /// <param name="lower">What was claimed by <see cref="Order"/>.</param>
    public List<Delivery> Merge(List<Delivery> upper, List<Delivery> lower)
    {
        lower.Sort((a, b) => Compare(a, b, Place(LevelOf(a)), Place(LevelOf(b))));
        if (Lower(upper.Count + lower.Count) is var turns && turns < lower.Count)
        {
            // The claim is not full, so there are fewer turns in it.
            upper.AddRange(lower[turns..]);
            lower.RemoveRange(turns, lower.Count - turns);
        }

        upper.Sort(static (a, b) => Compare(a, b, -LevelOf(a), -LevelOf(b)));
        var merged = new List<Delivery>(upper.Count + lower.Count);
        for (var (u, l) = (0, 0); u + l < upper.Count + lower.Count;)
        {
            var isTurn = oneIn > 0 && ++_passed >= oneIn;
            _passed = isTurn ? 0 : _passed;
            merged.Add(l < lower.Count && (isTurn || u == upper.Count) ? lower[l++] : upper[u++]);
        }

        _lastLower = lower is [.., var last] ? LevelOf(last) : _lastLower;
        return merged;
    }

    private static int LevelOf(Delivery delivery) => Priorities.LevelOf(delivery.Envelope);

    private static int Compare(Delivery a, Delivery b, int placeOfA, int placeOfB) =>
        placeOfA != placeOfB ? placeOfA.CompareTo(placeOfB) : ((PgmqDelivery)a).RowId.CompareTo(((PgmqDelivery)b).RowId);

    private int Place(int level) => (_lastLower - level - 1 + (2 * Priorities.Count)) % Priorities.Count;
}
