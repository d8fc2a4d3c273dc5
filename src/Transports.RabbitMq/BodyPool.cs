using System.Collections.Concurrent;
using System.Numerics;

namespace Postrider.Transports.RabbitMq;

/// <summary>
/// Arrays for the bodies of deliveries: the client's own are only lent during its callback. The runtime's shared pool keeps too few of a size for
/// a window that is taken and settled at once.
/// </summary>
/// <remarks>Thread-safe.</remarks>
internal static class BodyPool
{
    private const int Smallest = 256;
    private const int Largest = 64 * 1024;
    private const int KeptOfSize = 4 * 1024 * 1024;

    private static readonly ConcurrentQueue<byte[]>[] Sizes = [.. Enumerable.Range(0, SizeOf(Largest) + 1).Select(static _ => new ConcurrentQueue<byte[]>())];

    /// <summary>At least so long. One that is very long is not from the pool.</summary>
    public static byte[] Rent(int length) =>
        length > Largest ? new byte[length] : Sizes[SizeOf(length)].TryDequeue(out var array) ? array : new byte[Smallest << SizeOf(length)];

    public static void Return(byte[] array)
    {
        if (array.Length <= Largest && Sizes[SizeOf(array.Length)] is var free && free.Count < KeptOfSize / array.Length)
        {
            free.Enqueue(array);
        }
    }

    private static int SizeOf(int length) => BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)Math.Max(length, Smallest))) - BitOperations.Log2(Smallest);
}
