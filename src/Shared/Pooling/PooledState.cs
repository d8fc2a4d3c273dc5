using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace Postrider.Pooling;

/// <summary>What the caller of a pooled async method awaits. By itself, for one that failed before it had to wait, it is not pooled.</summary>
internal class PooledState<TResult> : IValueTaskSource<TResult>, IValueTaskSource
{
    private ManualResetValueTaskSourceCore<TResult> _done;

    public short Version => _done.Version;

    public void SetResult(TResult result) => _done.SetResult(result);

    public void SetException(Exception exception) => _done.SetException(exception);

    public ValueTaskSourceStatus GetStatus(short token) => _done.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _done.OnCompleted(continuation, state, token, flags);

    public TResult GetResult(short token)
    {
        // One that is not done yet, or not this await's any more, throws here and stays as it is.
        _ = _done.GetStatus(token) == ValueTaskSourceStatus.Pending ? throw new InvalidOperationException("The task is not completed.") : token;
        try
        {
            return _done.GetResult(token);
        }
        finally
        {
            _done.Reset();
            Return();
        }
    }

    void IValueTaskSource.GetResult(short token) => GetResult(token);

    protected virtual void Return()
    {
    }
}

/// <summary>A suspended async method.</summary>
internal sealed class PooledState<TResult, TMachine> : PooledState<TResult>
    where TMachine : IAsyncStateMachine
{
    private readonly Action _continue;
    private TMachine _machine = default!;
    private ExecutionContext? _context;

    private PooledState() => _continue = Continue;

    /// <summary>Keeps the machine, with the builder in it, until it goes on.</summary>
    /// <returns>What makes it go on.</returns>
    public static Action Suspend(ref PooledState<TResult>? current, ref TMachine machine)
    {
        if (current is not PooledState<TResult, TMachine> state)
        {
            state = Pool<PooledState<TResult, TMachine>>.Take() ?? new();
            // First, since it is a part of what is copied next.
            current = state;
            state._machine = machine;
        }

        state._context = ExecutionContext.Capture();
        return state._continue;
    }

    protected override void Return()
    {
        (_machine, _context) = (default!, null);
        Pool<PooledState<TResult, TMachine>>.Give(this);
    }

    private void Continue()
    {
        if (_context is { } context)
        {
            ExecutionContext.Run(context, static state => ((PooledState<TResult, TMachine>)state!)._machine.MoveNext(), this);
        }
        else
        {
            _machine.MoveNext();
        }
    }
}
