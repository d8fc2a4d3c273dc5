using System.Data;
using Microsoft.Extensions.Logging;
using Postrider.Core.Diagnostics;
using Postrider.Core.Publishing;
using Postrider.Core.Retry;
using Postrider.Core.Supervision;
using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <summary>
/// Runs a transactional consumer: begin → chain → settle and commit. What does not end as done is rolled back, and then settled as any other delivery.
/// </summary>
internal sealed class TransactionalHandler(ConsumerQueue queue, string transport, BrokerNames broker, Telemetry telemetry, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <exception cref="Exception">The chain's, or the commit's: nothing is committed.</exception>
    public async ValueTask<Outcome> RunAsync(InFlight slot, BuiltConsumer consumer, IsolationLevel isolation, ITransactionalReceiver receiver)
    {
        var transaction = await BeginAsync(slot, isolation, receiver).ConfigureAwait(false);
        await using (transaction.ConfigureAwait(false))
        {
            var outcome = await RunChainAsync(slot.Context, consumer, transaction).ConfigureAwait(false);
            if (outcome.Kind == OutcomeKind.Ack && !outcome.IsDiscarded && slot.Finish())
            {
                // From here on the settlement itself finds a lost lease, and a drain that is out of time waits for it.
                Note(slot, await transaction.CommitAsync().ConfigureAwait(false));
            }

            return outcome;
        }
    }

    private async ValueTask<Outcome> RunChainAsync(ConsumeContext context, BuiltConsumer consumer, IDeliveryTransaction transaction)
    {
        var flow = HandlerTransaction.Begin(transaction.Transaction, transport);
        context.Transaction = transaction.Transaction;
        try
        {
            return Failures.Bounded(await consumer.Chain(context).ConfigureAwait(false), context.Attempt, consumer.Retry);
        }
        finally
        {
            context.Transaction = null;
            await flow.EndAsync().ConfigureAwait(false);
        }
    }

    /// <summary>
    /// That there is no connection is no failure of the message, so it is tried again for as long as the delivery is ours. The worker waits,
    /// so nothing more is taken than can be handled.
    /// </summary>
    private async ValueTask<IDeliveryTransaction> BeginAsync(InFlight slot, IsolationLevel isolation, ITransactionalReceiver receiver)
    {
        var backoff = new Backoff(FirstPause, LongestPause);
        while (true)
        {
            try
            {
                return await receiver.BeginAsync(slot.Delivery!, isolation, slot.CancellationToken).ConfigureAwait(false);
            }
            catch (TransportException e)
            {
                var pause = backoff.Next();
                logger.BeginFailed(slot.Delivery!.Envelope.Id, queue.Name, pause, e.Message);
                await Task.Delay(pause, time, slot.CancellationToken).ConfigureAwait(false);
            }
        }
    }

    private void Note(InFlight slot, CommitStatus status)
    {
        slot.IsSettled = true;
        if (status == CommitStatus.Lost)
        {
            logger.SettlementLost(slot.Delivery!.Envelope.Id, queue.Name);
            telemetry.Settled(broker, Settlement.Ack(slot.Delivery), SettleStatus.Lost);
            queue.CountersOf(slot.Envelope).SettlementLost();
        }
        else if (status == CommitStatus.Unknown)
        {
            logger.CommitUnknown(slot.Delivery!.Envelope.Id, queue.Name);
        }
    }
}
