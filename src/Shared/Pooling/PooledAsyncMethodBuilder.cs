using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Postrider.Pooling;

/// <summary>
/// For async methods on the way of every message: what keeps their state while they wait is used again for the next call. The runtime's own
/// pooling builder keeps a handful for each processor, which is nothing beside a thousand publishes in flight.
/// </summary>
/// <remarks>As with any <see cref="ValueTask{TResult}"/>: await it once.</remarks>
[StructLayout(LayoutKind.Auto)]
[SuppressMessage("Performance", "CA1822", Justification = "The compiler calls all members on the instance.")]
internal struct PooledAsyncMethodBuilder<TResult>
{
    private PooledState<TResult>? _state;
    private TResult _result;

    public static PooledAsyncMethodBuilder<TResult> Create() => default;

    public readonly ValueTask<TResult> Task => _state is { } state ? new(state, state.Version) : new(_result);

    public readonly void Start<TMachine>(ref TMachine machine)
        where TMachine : IAsyncStateMachine => default(AsyncValueTaskMethodBuilder).Start(ref machine);

    public readonly void SetStateMachine(IAsyncStateMachine machine)
    {
        // For builders that box the machine.
    }

    public void SetResult(TResult result)
    {
        if (_state is { } state)
        {
            state.SetResult(result);
        }
        else
        {
            _result = result;
        }
    }

    public void SetException(Exception exception) => (_state ??= new()).SetException(exception);

    public void AwaitOnCompleted<TAwaiter, TMachine>(ref TAwaiter awaiter, ref TMachine machine)
        where TAwaiter : INotifyCompletion
        where TMachine : IAsyncStateMachine => awaiter.OnCompleted(PooledState<TResult, TMachine>.Suspend(ref _state, ref machine));

    public void AwaitUnsafeOnCompleted<TAwaiter, TMachine>(ref TAwaiter awaiter, ref TMachine machine)
        where TAwaiter : ICriticalNotifyCompletion
        where TMachine : IAsyncStateMachine => awaiter.UnsafeOnCompleted(PooledState<TResult, TMachine>.Suspend(ref _state, ref machine));
}

/// <summary>The same for methods without a result.</summary>
[StructLayout(LayoutKind.Auto)]
[SuppressMessage("Performance", "CA1822", Justification = "The compiler calls all members on the instance.")]
internal struct PooledAsyncMethodBuilder
{
    private PooledState<bool>? _state;

    public static PooledAsyncMethodBuilder Create() => default;

    public readonly ValueTask Task => _state is { } state ? new(state, state.Version) : default;

    public readonly void Start<TMachine>(ref TMachine machine)
        where TMachine : IAsyncStateMachine => default(AsyncValueTaskMethodBuilder).Start(ref machine);

    public readonly void SetStateMachine(IAsyncStateMachine machine)
    {
        // For builders that box the machine.
    }

    public readonly void SetResult() => _state?.SetResult(true);

    public void SetException(Exception exception) => (_state ??= new()).SetException(exception);

    public void AwaitOnCompleted<TAwaiter, TMachine>(ref TAwaiter awaiter, ref TMachine machine)
        where TAwaiter : INotifyCompletion
        where TMachine : IAsyncStateMachine => awaiter.OnCompleted(PooledState<bool, TMachine>.Suspend(ref _state, ref machine));

    public void AwaitUnsafeOnCompleted<TAwaiter, TMachine>(ref TAwaiter awaiter, ref TMachine machine)
        where TAwaiter : ICriticalNotifyCompletion
        where TMachine : IAsyncStateMachine => awaiter.UnsafeOnCompleted(PooledState<bool, TMachine>.Suspend(ref _state, ref machine));
}
