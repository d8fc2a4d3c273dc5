using Microsoft.Extensions.Logging;
using Postrider.Core.Consuming;
using Postrider.Core.Diagnostics;
using Postrider.Core.FlowControl;
using Postrider.Core.State;

namespace Postrider.Core.Supervision;

/// <summary>
/// Decides whether this process may consume a queue: it is not paused, its circuit breaker is not open, no process has a higher priority, and, with a single
/// active consumer, it is this one's turn.
/// </summary>
internal sealed class QueueGate
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly ConsumerQueue _queue;
    private readonly string _turn;
    private readonly SharedState? _shared;
    private readonly ProcessRegister? _processes;
    private readonly CircuitBreaker? _circuit;
    private readonly HostIdentity _self;
    private readonly TransportStatus _status;
    private readonly ILogger _logger;
    private readonly StateView? _pauses;
    private readonly StateView[] _views;

    /// <param name="queue">The queue.</param>
    /// <param name="turn">What a single active consumer holds.</param>
    /// <param name="shared">The state of all processes; null: this one is alone.</param>
    /// <param name="processes">The other processes, as far as they are known.</param>
    /// <param name="circuit">The queue's circuit breaker, if it has one.</param>
    /// <param name="self">Who this is.</param>
    /// <param name="status">Is told of the state while it may not, and of the place won and lost.</param>
    /// <param name="logger">Is told why.</param>
    public QueueGate(
        ConsumerQueue queue, string turn, SharedState? shared, ProcessRegister? processes, CircuitBreaker? circuit, HostIdentity self, TransportStatus status, ILogger logger)
    {
        (_queue, _turn, _shared, _processes, _circuit, _self, _status, _logger) = (queue, turn, shared, processes, circuit, self, status, logger);
        _pauses = shared?.View(QueueControl.Prefix);
        _views = [.. new[] { _pauses, processes?.View, circuit?.View }.OfType<StateView>()];
    }

    /// <summary>Waits until it may.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task<Permission> EnterAsync(CancellationToken stop)
    {
        await KnowAsync(stop).ConfigureAwait(false);
        while (true)
        {
            if (WhyClosed() is { } state)
            {
                await WaitAsync(state, stop).ConfigureAwait(false);
                continue;
            }

            var isProbe = _circuit?.IsHalfOpen == true;
            if (LockName(isProbe) is not { } name)
            {
                return new(this, null, isProbe, stop);
            }

            if (await TakeAsync(name, isProbe, stop).ConfigureAwait(false) is { } held)
            {
                TellOfPlace(new PlaceWon(_queue.Name));
                return new(this, held, isProbe, stop);
            }
        }
    }

    /// <summary>Completes when what was allowed is not so any more.</summary>
    /// <param name="isProbe">What was allowed.</param>
    /// <param name="lost">Completes when the place among the processes is lost.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public async Task ClosesAsync(bool isProbe, Task lost, CancellationToken cancellationToken)
    {
        var reaped = _processes?.Reaped;
        Task[] others = reaped is null ? [lost] : [lost, reaped];
        while (true)
        {
            var changed = Changed();
            if (Array.Exists(others, static task => task.IsCompleted) || IsOver(isProbe))
            {
                return;
            }

            await Task.WhenAny([changed, .. others]).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public void LostPlace()
    {
        _logger.PlaceLost(_queue.Name);
        TellOfPlace(new PlaceLost(_queue.Name, IsGivenBack: false));
    }

    public void GaveBackPlace() => TellOfPlace(new PlaceLost(_queue.Name, IsGivenBack: true));

    /// <summary>To hold the probe of a circuit breaker is no place.</summary>
    private void TellOfPlace(MessagingEvent happened)
    {
        if (_queue.SingleActive)
        {
            _status.Tell(happened);
        }
    }

    /// <summary>What is paused must be known first. A store that is away is waited for; where waiting cannot help, nothing is paused.</summary>
    private async Task KnowAsync(CancellationToken stop)
    {
        var known = Task.WhenAll(_views.Select(static view => view.Known));
        try
        {
            await known.WaitAsync(Patience, stop).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            _logger.StateNotKnown(_queue.Name);
            await known.WaitAsync(stop).ConfigureAwait(false);
        }
    }

    private async Task WaitAsync(QueueState state, CancellationToken stop)
    {
        var pause = Pause();
        _status.Set(_queue.Name, state);
        if (pause is not null)
        {
            _logger.QueuePaused(_queue.Name, StateJson.Read(pause, StateJson.Default.PausedQueue)?.Reason);
        }
        else if (state == QueueState.Standby)
        {
            _logger.StandingBy(_queue.Name);
        }

        while (true)
        {
            var changed = Changed();
            if (WhyClosed() != state || pause is null != Pause() is null)
            {
                break;
            }

            await changed.WaitAsync(stop).ConfigureAwait(false);
        }

        if (pause is not null && Pause() is null)
        {
            _logger.QueueResumed(_queue.Name);
        }
    }

    /// <returns>Null if it is of no use any more.</returns>
    private async Task<HeldLock?> TakeAsync(string name, bool isProbe, CancellationToken stop)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var taking = _shared!.Lock(name, _self.Id).TakeAsync(enough.Token);
        _status.Set(_queue.Name, _queue.SingleActive ? QueueState.Standby : QueueState.Paused);
        while (!taking.IsCompleted)
        {
            var changed = Changed();
            if (IsOver(isProbe))
            {
                await enough.CancelAsync().ConfigureAwait(false);
                break;
            }

            await Task.WhenAny(changed, taking).ConfigureAwait(false);
        }

        try
        {
            var held = await taking.ConfigureAwait(false);
            if (!IsOver(isProbe))
            {
                return held;
            }

            await held.DisposeAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            // It was not ours yet.
        }

        return null;
    }

    private bool IsOver(bool isProbe) => WhyClosed() is not null || isProbe != (_circuit?.IsHalfOpen == true);

    /// <summary>Without a shared store there is nobody to compete with.</summary>
    private string? LockName(bool isProbe) =>
        _shared is null ? null : _queue.SingleActive ? _turn : isProbe ? $"probe.{_queue.Name}" : null;

    private StateEntry? Pause() => _pauses?.Entries.GetValueOrDefault(QueueControl.Key(_queue.Name));

    private QueueState? WhyClosed() =>
        Pause() is not null || _circuit?.IsOpen == true ? QueueState.Paused
        : _processes?.HasHigher(_queue.Name, _queue.ConsumerPriority) == true ? QueueState.Standby
        : null;

    private Task Changed() => _views.Length == 0 ? Never : Task.WhenAny(_views.Select(static view => view.Changed));

    /// <summary>Of this gate alone, as what waits for it stays with it.</summary>
    private Task Never { get; } = new TaskCompletionSource().Task;
}
