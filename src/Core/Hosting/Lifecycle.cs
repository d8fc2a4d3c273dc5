using Microsoft.Extensions.Logging;
using Postrider.Core.Consuming;
using Postrider.Core.Diagnostics;

namespace Postrider.Core.Hosting;

/// <summary>Calls the hooks, one at a time, each bounded. What one of them does is no concern of the start and the stop.</summary>
/// <param name="hooks">In the order of their registration.</param>
/// <param name="poolsOf">The names of the pools that a queue is in, or that queues of its pattern may be in.</param>
/// <param name="transports">How many transports have to begin until the host has started.</param>
/// <param name="limit">How long a call may take.</param>
/// <param name="reports">Is told of those that fail.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Is told, too.</param>
internal sealed class Lifecycle(
    IReadOnlyList<ILifecycleHook> hooks, ILookup<string, string> poolsOf, int transports, TimeSpan limit, ExceptionReports reports, TimeProvider time, ILogger logger)
{
    private readonly Lock _lock = new();

    /// <summary>By pool: how many of its queues are consumed. As all below, of whoever's turn it is.</summary>
    private readonly Dictionary<string, int> _consumed = new(StringComparer.OrdinalIgnoreCase);

    private Task _last = Task.CompletedTask;
    private int _left = transports;
    private bool _isAnyBegun;
    private bool _isStopping;
    private bool _isStopped;

    public Task BeforeStartAsync(CancellationToken cancellationToken) =>
        InTurnAsync(() => CallAsync("BeforeStart", static (hook, _, token) => hook.BeforeStartAsync(token), false, cancellationToken));

    /// <summary>A transport's queues are about to be consumed.</summary>
    public Task BeforeQueuesAsync(IEnumerable<ConsumerQueue> queues, CancellationToken cancellationToken) => InTurnAsync(async () =>
    {
        foreach (var pool in PoolsOf(queues))
        {
            var consumed = _consumed[pool] = _consumed.GetValueOrDefault(pool) + 1;
            if (consumed == 1)
            {
                await CallAsync("BeforePoolStart", static (hook, name, token) => hook.BeforePoolStartAsync(name, token), false, cancellationToken, pool).ConfigureAwait(false);
            }
        }
    });

    /// <summary>A queue is not consumed any more.</summary>
    public Task AfterQueueAsync(ConsumerQueue queue) => InTurnAsync(async () =>
    {
        foreach (var pool in PoolsOf([queue]))
        {
            if (--_consumed[pool] == 0)
            {
                await CallAsync("AfterPoolStop", static (hook, name, token) => hook.AfterPoolStopAsync(name, token), true, CancellationToken.None, pool).ConfigureAwait(false);
            }
        }
    });

    /// <summary>A transport has begun, or was given up before.</summary>
    public Task AfterTransportAsync(bool hasBegun, CancellationToken cancellationToken) => InTurnAsync(async () =>
    {
        _isAnyBegun |= hasBegun;
        if (--_left == 0 && _isAnyBegun && !_isStopping)
        {
            await CallAsync("AfterStart", static (hook, _, token) => hook.AfterStartAsync(token), false, cancellationToken).ConfigureAwait(false);
        }
    });

    /// <summary>Once, however often the host is stopped.</summary>
    public Task BeforeStopAsync(CancellationToken cancellationToken) => InTurnAsync(async () =>
    {
        if (!_isStopping)
        {
            _isStopping = true;
            await CallAsync("BeforeStop", static (hook, _, token) => hook.BeforeStopAsync(token), true, cancellationToken).ConfigureAwait(false);
        }
    });

    /// <summary>Once, however often the host is stopped.</summary>
    public Task AfterStopAsync(CancellationToken cancellationToken) => InTurnAsync(async () =>
    {
        if (!_isStopped)
        {
            _isStopped = true;
            await CallAsync("AfterStop", static (hook, _, token) => hook.AfterStopAsync(token), true, cancellationToken).ConfigureAwait(false);
        }
    });

    private IEnumerable<string> PoolsOf(IEnumerable<ConsumerQueue> queues) => queues.SelectMany(queue => poolsOf[queue.Name]);

    /// <summary>Without hooks nothing is counted either.</summary>
    private Task InTurnAsync(Func<Task> calls)
    {
        if (hooks.Count == 0)
        {
            return Task.CompletedTask;
        }

        lock (_lock)
        {
            return _last = AfterAsync(_last);
        }

        async Task AfterAsync(Task before)
        {
            await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await calls().ConfigureAwait(false);
        }
    }

    private async Task CallAsync(
        string what, Func<ILifecycleHook, string, CancellationToken, ValueTask> call, bool isReversed, CancellationToken cancellationToken, string pool = "")
    {
        foreach (var hook in isReversed ? hooks.Reverse() : hooks)
        {
            using var late = new CancellationTokenSource(limit, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
            try
            {
                // One that blocks, or never heeds its token, is left behind.
                var token = either.Token;
                await Task.Run(() => call(hook, pool, token).AsTask(), CancellationToken.None).WaitAsync(token).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                var error = late.IsCancellationRequested && e is OperationCanceledException
                    ? new TimeoutException($"It took longer than {limit} (HookTimeout), and messaging goes on without it.", e)
                    : e;
                logger.HookFailed(error, hook.GetType().Name, what, error.Message);
                reports.Add(new(error, "hook", null));
            }
        }
    }
}

/// <summary>Lets a hook hear of what fails at work.</summary>
internal sealed class WorkerErrors(ILifecycleHook hook) : IExceptionReporter
{
    public ValueTask ReportAsync(ExceptionReport report, CancellationToken cancellationToken) =>
        report.Queue is null ? default : hook.WorkerErrorAsync(report, cancellationToken);
}
