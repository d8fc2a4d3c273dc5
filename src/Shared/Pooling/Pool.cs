using System.Collections.Concurrent;

namespace Postrider.Pooling;

/// <summary>
/// Objects that are used again. Each thread keeps some of its own, since what ends a publish mostly begins the next one there; the rest are shared.
/// </summary>
/// <remarks>Thread-safe. Holds a bounded number, and nothing needs to be given back.</remarks>
internal static class Pool<T>
    where T : class
{
    private const int OfThread = 32;

    /// <summary>More than are ever in flight, but for extremes.</summary>
    private const int Shared = 4096;

    private static readonly ConcurrentQueue<T> Others = new();

    [ThreadStatic]
    private static T?[]? s_own;

    [ThreadStatic]
    private static int s_count;

    public static T? Take()
    {
        if (s_count > 0)
        {
            var own = s_own!;
            var item = own[--s_count];
            own[s_count] = null;
            return item;
        }

        return Others.TryDequeue(out var other) ? other : null;
    }

    public static void Give(T item)
    {
        var own = s_own ??= new T?[OfThread];
        if (s_count < OfThread)
        {
            own[s_count++] = item;
        }
        else if (Others.Count < Shared)
        {
            Others.Enqueue(item);
        }
    }
}
