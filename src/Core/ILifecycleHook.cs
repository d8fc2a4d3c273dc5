namespace Postrider;

/// <summary>
/// Does something of the application's own as messaging starts and stops: opens what its handlers need, tells a load balancer, closes it again. Take what you need; the rest
/// does nothing. Several hooks are called one after another, at the start in the order of their registration, at the stop in the reverse order.
/// </summary>
/// <remarks>
/// <para>
/// Each call may take <see cref="MessagingOptions.HookTimeout"/>; its token is cancelled then, or when the host does not wait any longer, and messaging goes on without it.
/// One that throws or takes too long is logged and reported (<see cref="IExceptionReporter"/>, during <c>hook</c>), and neither the start nor the stop is ended by it.
/// </para>
/// <para>Calls of the start and the stop never overlap. <see cref="WorkerErrorAsync"/> may be called at any time beside them.</para>
/// </remarks>
public interface ILifecycleHook
{
    /// <summary>The registration is checked, and no broker has been reached. The host waits for it.</summary>
    ValueTask BeforeStartAsync(CancellationToken cancellationToken) => default;

    /// <summary>Each broker was reached, or given up, and the queues are consumed. Not called if no broker is reached before the stop.</summary>
    ValueTask AfterStartAsync(CancellationToken cancellationToken) => default;

    /// <summary>The host is to stop; all goes on until the hooks have returned.</summary>
    ValueTask BeforeStopAsync(CancellationToken cancellationToken) => default;

    /// <summary>Everything is drained, and nothing runs any more.</summary>
    ValueTask AfterStopAsync(CancellationToken cancellationToken) => default;

    /// <summary>The queues of a worker pool are about to be consumed by this process: none of them before it has returned.</summary>
    /// <param name="pool">The name of the pool.</param>
    /// <param name="cancellationToken">Cancelled when it has taken too long.</param>
    ValueTask BeforePoolStartAsync(string pool, CancellationToken cancellationToken) => default;

    /// <summary>No queue of a worker pool is consumed by this process any more: they are drained, or given up. Not called if the pool was not started.</summary>
    /// <param name="pool">The name of the pool.</param>
    /// <param name="cancellationToken">Cancelled when it has taken too long.</param>
    ValueTask AfterPoolStopAsync(string pool, CancellationToken cancellationToken) => default;

    /// <summary>
    /// A worker, or what works around it, has failed: a handler, receiving, renewing, settling. It is called as an <see cref="IExceptionReporter"/> is, one at a time and beside the
    /// work, and what it throws is counted and logged.
    /// </summary>
    /// <param name="report">What has failed, and where.</param>
    /// <param name="cancellationToken">Cancelled when the host has stopped.</param>
    ValueTask WorkerErrorAsync(ExceptionReport report, CancellationToken cancellationToken) => default;
}
