using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Consuming;
using Postrider.Core.Diagnostics;
using Postrider.Core.FlowControl;
using Postrider.Core.Transport;

namespace Postrider.Core.Supervision;

/// <summary>
/// Keeps one queue's consumer alive: opens a receiver, pumps, and does it again after every failure, forever; or, if the queue was found, until it is gone.
/// </summary>
internal sealed class QueueSupervisor(
    ITransport transport, Topology topology, ConsumerQueue queue, QueueFinder? finder, DeliveryHandler handler, QueueGate gate, Func<string, Task<bool>> pause, RateLimit? rate, KeyRates? keyRates, MessagingOptions options,
    TransportStatus status, IServiceScopeFactory scopes, Telemetry telemetry, ExceptionReports reports, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    /// <exception cref="TransportException">It is fatal: waiting cannot help.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        var backoff = new Backoff(FirstPause, LongestPause);
        if (finder is not null && !await IsGoneAsync(stop).ConfigureAwait(false))
        {
            // Whoever made it may not have made its dead-letter queue.
            await DeclareAgainAsync(stop).ConfigureAwait(false);
        }

        while (!stop.IsCancellationRequested)
        {
            var started = time.GetTimestamp();
            try
            {
                var permission = await gate.EnterAsync(stop).ConfigureAwait(false);
                await using (permission.ConfigureAwait(false))
                {
                    started = time.GetTimestamp();
                    await PumpAsync(permission).ConfigureAwait(false);
                }
            }
            catch (QueueStoppedException e)
            {
                status.Set(queue.Name, QueueState.Paused);
                status.Tell(new QueueStopped(queue.Name, e.Message));
                reports.Add(new(e, "stop", queue.Name));
                if (!await pause(e.Message).ConfigureAwait(false))
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
            catch (Exception e) when (!stop.IsCancellationRequested && e is not TransportException { IsFatal: true })
            {
                // A pump that ran for a while failed anew; one that fails at once is backed off from.
                if (time.GetElapsedTime(started) > LongestPause)
                {
                    backoff.Reset();
                }

                status.Set(queue.Name, QueueState.Reconnecting);
                if (await IsGoneAsync(stop).ConfigureAwait(false))
                {
                    break;
                }

                var pause = backoff.Next();
                status.Tell(new ConsumerRestarting(queue.Name, e, pause));
                telemetry.Restarting(transport.Capabilities.System, queue.Name, e);
                logger.PumpFailed(e, queue.Name, pause);
                reports.Add(new(e, "pump", queue.Name));
                await Task.Delay(pause, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (await IsGoneAsync(stop).ConfigureAwait(false))
                {
                    break;
                }

                await DeclareAgainAsync(stop).ConfigureAwait(false);
            }
            catch (Exception) when (stop.IsCancellationRequested)
            {
                break;
            }
        }

        status.Set(queue.Name, QueueState.Stopped);
    }

    private async Task PumpAsync(Permission permission)
    {
        var stop = permission.Closed;
        var one = permission.IsProbe ? queue with { Concurrency = 1, IsProbe = true } : queue;
        var receiver = await transport.OpenReceiverAsync(
            new ReceiverOptions
            {
                Queue = queue.Name,
                Prefetch = one.Prefetch,
                Lease = queue.Lease,
                LowerPriorityOneIn = (queue.Priority ?? new()).LowerOneIn,
                Transactions = queue.Transactions,
                KeepsOrder = queue is { SingleActive: true, Order: not MessageOrder.None },
            },
            stop).ConfigureAwait(false);
        await using (receiver.ConfigureAwait(false))
        {
            using var pump = new ConsumerPump(
                transport, receiver, one, handler, rate, keyRates, () => permission.IsLost ? TimeSpan.Zero : options.DrainTimeout, status, scopes, telemetry, reports, time, logger);
            status.Set(queue.Name, QueueState.Receiving);
            logger.Receiving(queue.Name, one.Concurrency, one.FirstWindow, one.LargestWindow);
            await pump.RunAsync(stop).ConfigureAwait(false);
        }
    }

    /// <summary>It was found, and is not there any more. It may be lost while the broker is away, so that is asked again before it is declared.</summary>
    private async Task<bool> IsGoneAsync(CancellationToken stop) => finder is not null && !await finder.MayExistAsync(queue.Name, stop).ConfigureAwait(false);

    /// <summary>The queue may have been deleted. If this fails too, opening the receiver fails and is backed off from.</summary>
    private async Task DeclareAgainAsync(CancellationToken stop)
    {
        try
        {
            await transport.DeclareAsync(
                finder is null ? topology : new([queue.Name], [], queue.Priority is null ? [] : [queue.Name]), stop).ConfigureAwait(false);
        }
        catch (TransportException e) when (!e.IsFatal)
        {
            status.Error = e;
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }
}
