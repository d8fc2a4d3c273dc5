using Postrider.Core.State;

namespace Postrider.Core.Supervision;

/// <summary>That this process may consume a queue, until <see cref="QueueGate"/> closes.</summary>
internal sealed class Permission : IAsyncDisposable
{
    private readonly QueueGate _gate;
    private readonly HeldLock? _held;
    private readonly CancellationTokenSource _closed;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _watching;
    private bool _isLossTold;

    public Permission(QueueGate gate, HeldLock? held, bool isProbe, CancellationToken stop)
    {
        (_gate, _held, IsProbe, _closed) = (gate, held, isProbe, CancellationTokenSource.CreateLinkedTokenSource(stop));
        _watching = Task.Run(WatchAsync, CancellationToken.None);
    }

    /// <summary>For one message at a time only.</summary>
    public bool IsProbe { get; }

    /// <summary>Another process is about to have this one's place, so nothing may go on here.</summary>
    public bool IsLost => _held?.Lost.IsCancellationRequested == true;

    /// <summary>Cancelled when it is over.</summary>
    public CancellationToken Closed => _closed.Token;

    /// <summary>Gives the place to others.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_held is not null)
        {
            await _held.DisposeAsync().ConfigureAwait(false);
            if (!_isLossTold)
            {
                _gate.GaveBackPlace();
            }
        }

        _closed.Dispose();
        _stop.Dispose();
    }

    private async Task WatchAsync()
    {
        var lost = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var losing = _held?.Lost.Register(lost.SetResult);
        await _gate.ClosesAsync(IsProbe, lost.Task, _stop.Token).ConfigureAwait(false);
        if (IsLost)
        {
            _isLossTold = true;
            _gate.LostPlace();
        }

        await _closed.CancelAsync().ConfigureAwait(false);
    }
}
