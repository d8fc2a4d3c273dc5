using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.FlowControl;
using Postrider.Core.Supervision;
using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <summary>
/// One receiver's life: receive by demand → bounded channel → workers → one settlement loop. A worker is free at the outcome, its place in the
/// window at the settlement.
/// </summary>
internal sealed partial class ConsumerPump : IDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>How long a receive after an outage must go on before all is well: a queue that is gone is told of sooner.</summary>
    private static readonly TimeSpan Doubt = TimeSpan.FromMilliseconds(250);

    private static readonly Topology Nothing = new([], []);

    private readonly ITransport _transport;
    private readonly IReceiver _receiver;
    private readonly ConsumerQueue _queue;
    private readonly DeliveryHandler _handler;
    private readonly TransportStatus _status;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly PrefetchWindow _window;
    private readonly Channel<InFlight> _work;
    private readonly SettlementLoop _settling;
    private readonly SuspectLane _suspects;
    private readonly FailureCallbacks _failures;
    private readonly LeaseRenewer? _leases;
    private readonly KeyedLanes? _lanes;
    private readonly HungWatch _hung;
    private readonly RateLimit? _rate;
    private readonly ExceptionReports _reports;
    private readonly Func<TimeSpan> _drainTimeout;
    private CancellationTokenSource _broken = null!;

    public ConsumerPump(
        ITransport transport, IReceiver receiver, ConsumerQueue queue, DeliveryHandler handler, RateLimit? rate, KeyRates? keyRates, Func<TimeSpan> drainTimeout,
        TransportStatus status, IServiceScopeFactory scopes, Telemetry telemetry, ExceptionReports reports, TimeProvider time, ILogger logger)
    {
        (_reports, _rate) = (reports, rate);
        (_transport, _receiver, _queue, _handler) = (transport, receiver, queue, handler);
        (_drainTimeout, _status, _time, _logger) = (drainTimeout, status, time, logger);
        _window = new(queue, time, !queue.HasLanes ? null : () => _lanes!.Waiting);
        _failures = new(queue, _window.Clear, scopes, reports, logger);
        _work = Channel.CreateBounded<InFlight>(new BoundedChannelOptions(queue.Prefetch));
        _settling = new(receiver, queue, new(transport), Free, _failures, telemetry, reports, time, logger);
        _leases = receiver is ILeaseRenewal renewal ? new(renewal, _window, queue, reports, time, logger) : null;
        _lanes = !queue.HasLanes ? null : new(queue, _work.Writer, time, keyRates);
        _suspects = new(_window, _work.Writer, _settling, queue, logger);
        _hung = new(_window, queue, transport.Capabilities.System, StandIn, status, telemetry, time, logger);
    }

    /// <summary>Runs until stopped, then drains. The receiver stays the caller's to dispose of.</summary>
    /// <exception cref="QueueStoppedException">A message's attempts are used up, and its policy stops the queue then.</exception>
    /// <exception cref="Exception">Receiving failed in a way that needs a new receiver; what was running has been drained.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        using var renewing = new CancellationTokenSource();
        using var broken = _broken = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var settling = StartAsync(() => _settling.RunAsync(_abandon.Token), broken);
        var renewal = _leases is { } leases ? StartAsync(() => leases.RunAsync(renewing.Token), broken) : Task.CompletedTask;
        var watch = StartAsync(() => _hung.RunAsync(renewing.Token), broken);
        for (var i = 0; i < _queue.Concurrency; i++)
        {
            AddWorker();
        }

        _status.Show(_queue.Name, _hung);
        Task working;
        try
        {
            await ReceiveAsync(broken.Token).ConfigureAwait(false);
        }
        finally
        {
            if (_drainTimeout() == TimeSpan.Zero)
            {
                // Another process is about to take over: before anything that may take its time.
                CancelHandlers();
            }

            var stopping = BeginDrain();
            working = EndWorkers();
            await DrainAsync(stopping, working, settling).ConfigureAwait(false);
            await renewing.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(renewal, watch).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _status.Show(_queue.Name, null);
        }

        if (_stopReason is { } reason)
        {
            throw new QueueStoppedException(reason);
        }

        if (!stop.IsCancellationRequested)
        {
            var cause = working.Exception ?? settling.Exception ?? renewal.Exception ?? watch.Exception;
            throw new InvalidOperationException($"The consumer pump of '{_queue.Name}' broke off.", cause);
        }
    }

    public void Dispose()
    {
        _window.Dispose();
        _abandon.Dispose();
    }

    /// <summary>A loop that fails ends the whole pump, which is then started anew, rather than stalling it.</summary>
    private static Task StartAsync(Func<Task> loop, CancellationTokenSource broken) => Task.Run(
        async () =>
        {
            try
            {
                await loop().ConfigureAwait(false);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                await broken.CancelAsync().ConfigureAwait(false);
                throw;
            }
        },
        CancellationToken.None);

    private async Task ReceiveAsync(CancellationToken stop)
    {
        var backoff = new Backoff(FirstPause, LongestPause);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                if (!await _window.WaitAsync(stop).ConfigureAwait(false))
                {
                    return;
                }

                var max = _rate is null ? _window.Free : await _rate.WaitAsync(_window.Free, stop).ConfigureAwait(false);
                var deliveries = _status.Queues[_queue.Name] == QueueState.Reconnecting
                    ? await ReceiveAgainAsync(max, stop).ConfigureAwait(false)
                    : await _receiver.ReceiveAsync(max, stop).ConfigureAwait(false);
                _rate?.Claimed(deliveries.Count);
                backoff.Reset();
                if (deliveries.Count == 0)
                {
                    return;
                }

                await DispatchAsync(deliveries, stop).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (TransportException e) when (e.IsTransient)
            {
                var pause = backoff.Next();
                _status.Error = e;
                _status.Set(_queue.Name, QueueState.Reconnecting);
                _logger.ReceiveFailed(_queue.Name, pause, e.Message);
                _reports.Add(new(e, "receive", _queue.Name));
                await Task.Delay(pause, _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>The first receive after an outage: what tells that all is well again.</summary>
    private async ValueTask<IReadOnlyList<Delivery>> ReceiveAgainAsync(int max, CancellationToken stop)
    {
        // An empty queue gives no sign that the broker is back, so it is asked for something that costs nothing.
        await _transport.DeclareAsync(Nothing, stop).ConfigureAwait(false);
        var receiving = _receiver.ReceiveAsync(max, stop).AsTask();
        if (!await EndsWithinAsync(receiving, Doubt).ConfigureAwait(false) || receiving.IsCompletedSuccessfully)
        {
            _logger.ReceiveRecovered(_queue.Name);
            _status.Error = null;
            _status.Set(_queue.Name, QueueState.Receiving);
        }

        return await receiving.ConfigureAwait(false);
    }

    private ValueTask DispatchAsync(IReadOnlyList<Delivery> deliveries, CancellationToken stop)
    {
        for (var i = 0; i < deliveries.Count; i++)
        {
            var delivery = deliveries[i];
            if (!_window.TryFill(delivery, out var slot))
            {
                throw new InvalidOperationException($"The receiver of '{_queue.Name}' returned more deliveries than were asked for.");
            }

            var key = _lanes is null ? null : _handler.KeyOf(delivery);
            if (delivery.Redeliveries >= _queue.MaxRedeliveries)
            {
                _settling.Post(slot, _handler.GiveUp(slot));
            }
            else if (delivery.IsSuspect || _suspects.Has(key))
            {
                _suspects.Add(slot, _queue.Order == MessageOrder.None ? null : key);
            }
            else if (_lanes?.Enter(slot, key) != false)
            {
                _work.Writer.TryWrite(slot);
            }
        }

        if (_suspects.IsEmpty)
        {
            return ValueTask.CompletedTask;
        }

        // They run when the window is empty but for them, which may take long where tokens are waited for.
        HandBack(_lanes?.TakeLimited());
        return _suspects.RunAsync(stop);
    }
}
