using System.Threading.Tasks.Sources;
using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <summary>
/// What a queue knows of one receiver: its leases, whether it waits, and the signal it waits for, which is reused from wait to wait.
/// Guarded by the queue's lock, but for the awaiting itself.
/// </summary>
internal sealed class QueueReader : IValueTaskSource
{
    private ManualResetValueTaskSourceCore<bool> _signal = new() { RunContinuationsAsynchronously = true };

    /// <summary>Starts with no leases.</summary>
    public QueueReader(TimeSpan lease, int lowerPriorityOneIn)
    {
        Lease = lease;
        Turns = new(lowerPriorityOneIn);
        Place = new(this);
    }

    /// <summary>How long each of its leases lasts: the same for all, so that the latest is the last to end.</summary>
    public TimeSpan Lease { get; }

    /// <summary>Which level of priority is next.</summary>
    public PriorityTurns Turns { get; }

    /// <summary>What it holds, in the order in which the leases end.</summary>
    public MessageList Leased { get; } = new();

    /// <summary>Its place among the waiting.</summary>
    public LinkedListNode<QueueReader> Place { get; }

    /// <summary>It takes no more.</summary>
    public bool Stopped { get; set; }

    /// <summary>It was disposed of.</summary>
    public bool Closed { get; set; }

    /// <summary>Before a wait.</summary>
    public void Reset() => _signal.Reset();

    /// <summary>Ends the wait. Once per wait: whoever takes <see cref="Place"/> from the waiting calls it.</summary>
    public void Signal() => _signal.SetResult(true);

    /// <summary>Completes with the signal.</summary>
    public ValueTask WaitAsync() => new(this, _signal.Version);

    void IValueTaskSource.GetResult(short token) => _signal.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _signal.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _signal.OnCompleted(continuation, state, token, flags);
}
