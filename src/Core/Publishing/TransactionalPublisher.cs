using System.Data.Common;
using Postrider.Core.Transport;

namespace Postrider.Core.Publishing;

/// <summary>
/// Hands messages to the transport within a transaction, once: a failed statement has aborted it, so there is nothing left to try again in.
/// </summary>
internal sealed class TransactionalPublisher(ITransport transport, TransportStatus status, TimeProvider time)
{
    /// <summary>The transaction that a publish belongs to, if any. Outside of handlers that costs nothing.</summary>
    public static DbTransaction? Of(PublishOptions options, out HandlerTransaction? handler)
    {
        handler = options.Transaction is null && options.JoinTransaction && Cause.Current is not null ? HandlerTransaction.Current : null;
        return options.Transaction ?? handler?.Transaction;
    }

    /// <summary>Why the transport cannot, or null.</summary>
    public string? WhyRefused(HandlerTransaction? handler) =>
        handler is not null && !handler.Transport.Equals(status.Name, StringComparison.OrdinalIgnoreCase)
            ? $"It is published in a transactional handler of the transport '{handler.Transport}', and goes to '{status.Name}', which has no part in that transaction. "
                + "Set PublishOptions.JoinTransaction to false to publish it at once, whatever becomes of the transaction."
        : transport is ITransactionalPublishing ? null
        : handler is null
            ? $"The transport '{transport.Capabilities.System}' cannot publish in a database transaction. Publish after the commit, or on PGMQ in that database."
            : $"It is published in a transactional handler, whose transaction the transport '{transport.Capabilities.System}' cannot join. "
                + "Set PublishOptions.JoinTransaction to false to publish it at once, whatever becomes of the transaction.";

    public async ValueTask<(PublishStatus Outcome, Exception? Error)> StoreAsync(
        DbTransaction transaction, HandlerTransaction? handler, PublishContext context, PublishOperation operation, CancellationToken token)
    {
        try
        {
            await status.Ready.WaitAsync(token).ConfigureAwait(false);
            var turn = TransactionTurns.Of(transaction);
            await turn.WaitAsync(token).ConfigureAwait(false);
            try
            {
                if (handler is { HasEnded: true })
                {
                    return (PublishStatus.Rejected, new InvalidOperationException(
                        "The handler has returned, and its transaction has ended. Await in the handler what is published below it."));
                }

                operation.Message[0] = operation.Message[0] with { Delay = Publisher.DelayOf(context.Options, time.GetUtcNow()) };
                await ((ITransactionalPublishing)transport).PublishAsync(operation.Message, operation.Result, transaction, token).ConfigureAwait(false);
            }
            finally
            {
                turn.Release();
            }
        }
        catch (Exception e) when (e is TransportException or ObjectDisposedException || (e is OperationCanceledException && token.IsCancellationRequested))
        {
            context.CancellationToken.ThrowIfCancellationRequested();
            return (PublishStatus.NotSent, e is OperationCanceledException ? status.Error : e);
        }

        var result = operation.Result[0];
        if (result.Status == PublishStatus.NotSent)
        {
            context.CancellationToken.ThrowIfCancellationRequested();
        }

        return (result.Status, result.Error);
    }
}
