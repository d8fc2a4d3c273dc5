using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;

namespace Postrider.Core.Consuming;

/// <summary>
/// Runs <see cref="ConsumerOptions.OnFailed"/> for dead letters that are durable, beside the settling. Their places in the window are free when they have ended,
/// so there are no more of them than places.
/// </summary>
internal sealed class FailureCallbacks(ConsumerQueue queue, Action<InFlight> free, IServiceScopeFactory scopes, ExceptionReports reports, ILogger logger)
{
    private readonly Lock _gate = new();
    private readonly HashSet<Task> _running = [];

    public void Run(InFlight slot, PendingFailure failure)
    {
        lock (_gate)
        {
            _running.RemoveWhere(static task => task.IsCompleted);
            _running.Add(Task.Run(() => RunAsync(slot, failure)));
        }
    }

    /// <summary>Ends when all that were begun have ended.</summary>
    public Task EndAsync()
    {
        lock (_gate)
        {
            return Task.WhenAll(_running);
        }
    }

    private async Task RunAsync(InFlight slot, PendingFailure failure)
    {
        try
        {
            var scope = scopes.CreateAsyncScope();
            await using (scope.ConfigureAwait(false))
            {
                await failure.Callback(failure.Message with { Services = scope.ServiceProvider }, CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            logger.OnFailedFailed(e, failure.Message.Envelope.Id, queue.Name);
            reports.Add(new(e, "on-failed", queue.Name) { Consumer = failure.Message.Consumer, Envelope = failure.Message.Envelope with { Body = default } });
        }
        finally
        {
            free(slot);
        }
    }
}

/// <summary>What is to be told when the dead letter is durable.</summary>
internal sealed record PendingFailure(Func<FailedMessage, CancellationToken, ValueTask> Callback, FailedMessage Message);
