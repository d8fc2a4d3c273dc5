using System.Diagnostics;

namespace Postrider.Throughput.Work;

/// <summary>Which messages were published and handled, how often, and how long they were under way.</summary>
/// <remarks>Thread-safe. Nothing here allocates while messages are handled, and all of its memory is in use from the start.</remarks>
public sealed class Ledger(int capacity)
{
    private readonly int[] _handled = InUse<int>(capacity);
    private readonly long[] _began = InUse<long>(capacity);
    private readonly double[] _latencies = InUse<double>(capacity);
    private TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _target = int.MaxValue;
    private int _next;
    private int _published;
    private int _distinct;
    private int _duplicates;
    private int _incomplete;

    /// <summary>Is told each number that came to a handler, before the message is settled.</summary>
    public Action<int>? Told { get; set; }

    /// <summary>Confirmed by the broker.</summary>
    public int Published => Volatile.Read(ref _published);

    /// <summary>Different messages that came to a handler.</summary>
    public int Distinct => Volatile.Read(ref _distinct);

    public int Duplicates => Volatile.Read(ref _duplicates);

    /// <summary>Messages that came without all of their metadata.</summary>
    public int Incomplete => Volatile.Read(ref _incomplete);

    /// <summary>The number of the next message to be published, which begins now.</summary>
    public int Begin()
    {
        var number = Interlocked.Increment(ref _next) - 1;
        _began[number] = Stopwatch.GetTimestamp();
        return number;
    }

    public void Confirmed() => Interlocked.Increment(ref _published);

    public void Handled(int number, bool complete)
    {
        Told?.Invoke(number);
        if (!complete)
        {
            Interlocked.Increment(ref _incomplete);
        }

        if (Interlocked.Increment(ref _handled[number]) > 1)
        {
            Interlocked.Increment(ref _duplicates);
            return;
        }

        _latencies[number] = Stopwatch.GetElapsedTime(_began[number]).TotalMicroseconds;
        if (Interlocked.Increment(ref _distinct) == Volatile.Read(ref _target))
        {
            Volatile.Read(ref _reached).TrySetResult();
        }
    }

    /// <summary>Waits until so many different messages were handled. One waiter at a time.</summary>
    /// <exception cref="TimeoutException">No message came for so long.</exception>
    public async Task HandledAsync(int count, TimeSpan patience)
    {
        Volatile.Write(ref _reached, new(TaskCreationOptions.RunContinuationsAsynchronously));
        Volatile.Write(ref _target, count);
        Interlocked.MemoryBarrier();
        while (true)
        {
            var before = Distinct;
            if (before >= count)
            {
                return;
            }

            try
            {
                await _reached.Task.WaitAsync(patience, TimeProvider.System);
                return;
            }
            catch (TimeoutException) when (Distinct > before)
            {
                // It goes on.
            }
            catch (TimeoutException)
            {
                throw new TimeoutException($"{count - Distinct} of {count} messages were not handled; none came for {patience.TotalSeconds:0} s.");
            }
        }
    }

    /// <summary>Microseconds from the publish to the handler, of the messages from this number on that were handled.</summary>
    public double[] Latencies(int from, int count) => [.. Enumerable.Range(from, count).Where(i => _handled[i] > 0).Select(i => _latencies[i])];

    /// <summary>The system gives memory when it is first written; a process whose ledger is filled would seem to grow.</summary>
    private static T[] InUse<T>(int length)
    {
        var array = new T[length];
        array.AsSpan().Clear();
        return array;
    }
}
