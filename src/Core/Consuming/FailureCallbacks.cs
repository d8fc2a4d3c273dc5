using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;

namespace Postrider.Core.Consuming;

/// <summary>
/// For failures that are settled, dead letters that are durable among them: tells whoever waits for an answer, and runs <see cref="ConsumerOptions.OnFailed"/>, beside the settling. Their places in the window are free when they have ended,
/// so there are no more of them than places.
/// </summary>
internal sealed class FailureCallbacks(ConsumerQueue queue, Action<InFlight> free, IServiceScopeFactory scopes, ExceptionReports reports, ILogger logger)
{
    private readonly Lock _gate = new();
    private readonly HashSet<Task> _running = [];

    public void Run(InFlight slot)
    {
        lock (_gate)
        {
            _running.RemoveWhere(static task => task.IsCompleted);
            _running.Add(Task.Run(() => RunAsync(slot)));
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

    private async Task RunAsync(InFlight slot)
    {
        try
        {
            if (slot.Fault is { } tell)
            {
                await tell().ConfigureAwait(false);
            }

            if (slot.Failure is { } failure)
            {
                await CallAsync(failure).ConfigureAwait(false);
            }
        }
        finally
        {
            free(slot);
        }
    }

    private async ValueTask CallAsync(PendingFailure failure)
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
    }
}

/// <summary>What is to be told when the dead letter is durable.</summary>
internal sealed record PendingFailure(Func<FailedMessage, CancellationToken, ValueTask> Callback, FailedMessage Message);
