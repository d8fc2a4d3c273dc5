namespace Postrider.Core.Transport;

/// <summary>Reads a queue for answers by an ordinary receiver: takes what is there and acks it. For transports whose queues for answers are queues like others.</summary>
/// <param name="receiver">Receives from the queue; disposed of with this.</param>
public sealed class ReceiverReplyReader(IReceiver receiver) : IReplyReader
{
    /// <summary>The most that is taken at once, which the receiver's <see cref="ReceiverOptions.Prefetch"/> has to allow.</summary>
    public const int Most = 256;

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<Envelope>> ReadAsync(CancellationToken cancellationToken)
    {
        var deliveries = await receiver.ReceiveAsync(Most, cancellationToken).ConfigureAwait(false);
        var (answers, acks) = (new Envelope[deliveries.Count], new Settlement[deliveries.Count]);
        for (var i = 0; i < answers.Length; i++)
        {
            // The body may be the transport's again after the ack.
            var envelope = deliveries[i].Envelope;
            (answers[i], acks[i]) = (envelope with { Body = envelope.Body.ToArray() }, Settlement.Ack(deliveries[i]));
        }

        // One that is not acked comes again, and nobody waits for it any more.
        await receiver.SettleAsync(acks, new SettleResult[acks.Length], CancellationToken.None).ConfigureAwait(false);
        return answers;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => receiver.DisposeAsync();
}
