using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.Supervision;
using Postrider.Core.Transport;

namespace Postrider.Core.Requests;

/// <summary>
/// Where the answers to this host's requests on one transport come in: a queue of its own, opened at the first request and read until the host has stopped. Who waits
/// for an answer is known here and nowhere else.
/// </summary>
internal sealed class ReplyChannel(ITransport transport, TransportStatus status, Telemetry telemetry, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<string, TaskCompletionSource<Envelope>> _waiting = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private volatile TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile Exception? _error;
    private Task? _reading;

    public string Queue { get; } = Names.NewReplyQueue();

    public string System => transport.Capabilities.System;

    /// <summary>Why requests are not possible, or null.</summary>
    public string? WhyUnable => transport is IReplyQueues && transport.Capabilities.RequestReply.IsSupported ? null
        : $"The transport '{status.Name}' has no queues for answers: {transport.Capabilities.RequestReply.How}";

    public bool IsClosed => _stop.IsCancellationRequested;

    /// <summary>What keeps the queue from being read, if it is not.</summary>
    public Exception? Error => _open.Task.IsCompleted ? null : _error ?? status.Error;

    /// <summary>Completes when answers can come.</summary>
    /// <exception cref="TransportException">The transport was given up.</exception>
    public async ValueTask OpenAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_reading is null && !IsClosed)
            {
                // Whoever asks first must not become the parent of what is read.
                using (ExecutionContext.SuppressFlow())
                {
                    _reading = Task.Run(RunAsync, CancellationToken.None);
                }
            }
        }

        await status.Ready.WaitAsync(cancellationToken).ConfigureAwait(false);
        await _open.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The answer to a request that is about to be sent. <see cref="Forget"/> it at the end.</summary>
    /// <exception cref="OperationCanceledException">The channel is closed.</exception>
    /// <exception cref="InvalidOperationException">A request of that id is under way.</exception>
    public Task<Envelope> Expect(string id)
    {
        var answer = new TaskCompletionSource<Envelope>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!_waiting.TryAdd(id, answer))
        {
            throw new InvalidOperationException($"A request with the message id '{id}' is under way already.");
        }

        if (IsClosed)
        {
            answer.TrySetException(Stopped());
        }

        return answer.Task;
    }

    public void Forget(string id) => _waiting.TryRemove(id, out _);

    /// <summary>No answer comes any more: whoever waits is told.</summary>
    public async ValueTask DisposeAsync()
    {
        Task? reading;
        lock (_gate)
        {
            if (IsClosed)
            {
                return;
            }

            _stop.Cancel();
            reading = _reading;
        }

        _open.TrySetResult();
        if (reading is not null)
        {
            await reading.WaitAsync(Farewell, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        foreach (var (_, answer) in _waiting)
        {
            answer.TrySetException(Stopped());
        }

        _stop.Dispose();
    }

    private static OperationCanceledException Stopped() => new("The messaging host was stopped before the answer came.");

    private async Task RunAsync()
    {
        var backoff = new Backoff(FirstPause, LongestPause);
        while (!IsClosed)
        {
            var started = time.GetTimestamp();
            try
            {
                await status.Ready.WaitAsync(_stop.Token).ConfigureAwait(false);
                await ReadAsync((IReplyQueues)transport).ConfigureAwait(false);
            }
            catch (Exception) when (IsClosed)
            {
                return;
            }
            catch (Exception e)
            {
                if (time.GetElapsedTime(started) > LongestPause)
                {
                    backoff.Reset();
                }

                // A request that is sent now would have nowhere to be answered to, if the queue has gone meanwhile.
                _error = e;
                _open = _open.Task.IsCompleted ? new(TaskCreationOptions.RunContinuationsAsynchronously) : _open;
                var pause = backoff.Next();
                logger.ReceiveFailed(Queue, pause, e.Message);
                await Task.Delay(pause, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task ReadAsync(IReplyQueues queues)
    {
        var reader = await queues.OpenReplyQueueAsync(Queue, _stop.Token).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            _open.TrySetResult();
            while (true)
            {
                foreach (var answer in await reader.ReadAsync(_stop.Token).ConfigureAwait(false))
                {
                    Take(answer);
                }
            }
        }
    }

    /// <summary>Known by the request's id. Programs that know nothing of us send back its correlation id, which is the same unless the request belongs to a flow.</summary>
    private void Take(Envelope answer)
    {
        if ((answer.CausationId ?? answer.CorrelationId) is { } request && _waiting.TryRemove(request, out var waiting) && waiting.TrySetResult(answer))
        {
            return;
        }

        telemetry.AnswerDropped(System);
        logger.AnswerDropped(answer.Id, answer.CausationId ?? answer.CorrelationId);
    }
}
