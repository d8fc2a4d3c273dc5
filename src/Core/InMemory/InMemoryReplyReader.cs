using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <summary>Reads a queue for answers, which ends with it: there is no process that could come back.</summary>
internal sealed class InMemoryReplyReader(InMemoryBroker broker, IReceiver receiver, string queue) : IReplyReader
{
    private const int Most = 256;

    public async ValueTask<IReadOnlyList<Envelope>> ReadAsync(CancellationToken cancellationToken)
    {
        var deliveries = await receiver.ReceiveAsync(Most, cancellationToken).ConfigureAwait(false);
        var (answers, acks) = (new Envelope[deliveries.Count], new Settlement[deliveries.Count]);
        for (var i = 0; i < answers.Length; i++)
        {
            (answers[i], acks[i]) = (deliveries[i].Envelope, Settlement.Ack(deliveries[i]));
        }

        await receiver.SettleAsync(acks, new SettleResult[acks.Length], CancellationToken.None).ConfigureAwait(false);
        return answers;
    }

    public async ValueTask DisposeAsync()
    {
        await receiver.DisposeAsync().ConfigureAwait(false);
        broker.DeleteQueue(queue);
    }
}
