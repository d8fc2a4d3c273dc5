using System.Collections.Concurrent;
using System.Threading.Tasks.Sources;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Contenders;

/// <summary>What a publish waits on, used again and again: the hand-tuned contenders allocate no task per message.</summary>
public sealed class Confirmation : IValueTaskSource
{
    private static readonly ConcurrentQueue<Confirmation> Free = new();
    private ManualResetValueTaskSourceCore<bool> _core = new() { RunContinuationsAsynchronously = true };

    /// <summary>What it is for; the owner's to use.</summary>
    public Order Order { get; private set; } = null!;

    /// <summary>The index of the queue.</summary>
    public int Queue { get; private set; }

    public ValueTask Task => new(this, _core.Version);

    public static Confirmation For(Order order, int queue)
    {
        var confirmation = Free.TryDequeue(out var free) ? free : new();
        (confirmation.Order, confirmation.Queue) = (order, queue);
        return confirmation;
    }

    public void Confirm() => _core.SetResult(true);

    public void Fail(Exception error) => _core.SetException(error);

    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    public void GetResult(short token)
    {
        try
        {
            _core.GetResult(token);
        }
        finally
        {
            _core.Reset();
            Order = null!;
            Free.Enqueue(this);
        }
    }
}
