using Postrider.Core.Transport;

namespace Postrider.Storefront;

/// <summary>
/// Looks into one dead-letter queue, through the transport itself: reads what arrives during the run, and hands all of it back at the end,
/// so that it stays there for whoever looks after the shop.
/// </summary>
public sealed class DeadLetterWatch(ITransport transport, Accounting accounting, TimeProvider time, string queue)
{
    /// <summary>The most that are looked at: those of earlier runs, which a durable broker keeps, count too.</summary>
    private const int Most = 1_000_000;

    private const int Batch = 500;
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <summary>Kept by id: a dead letter whose lease ran out comes again, and only the last hand-out can be handed back.</summary>
    private readonly Dictionary<string, Delivery> _seen = new(StringComparer.Ordinal);

    /// <summary>Runs until cancelled, and hands back.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var receiver = await transport.OpenReceiverAsync(
            new ReceiverOptions { Queue = Names.DeadLetterQueue(queue), Prefetch = Most, Lease = TimeSpan.FromMinutes(5) }, cancellationToken);
        try
        {
            while (_seen.Count < Most)
            {
                await ReadAsync(receiver, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The run is over.
        }
        finally
        {
            await receiver.StopAsync(CancellationToken.None);
            await HandBackAsync(receiver);
        }
    }

    private async Task ReadAsync(IReceiver receiver, CancellationToken cancellationToken)
    {
        try
        {
            foreach (var delivery in await receiver.ReceiveAsync(Batch, cancellationToken))
            {
                if (_seen.TryAdd(delivery.Envelope.Id, delivery))
                {
                    accounting.DeadLettered(queue, delivery.Envelope);
                }
                else
                {
                    _seen[delivery.Envelope.Id] = delivery;
                }
            }
        }
        catch (TransportException e) when (e.IsTransient)
        {
            await Task.Delay(Pause, time, cancellationToken);
        }
    }

    private async Task HandBackAsync(IReceiver receiver)
    {
        foreach (var batch in _seen.Values.Chunk(Batch))
        {
            // What cannot be handed back now comes back by itself when its lease is over.
            await receiver.SettleAsync(Array.ConvertAll(batch, Settlement.Release), new SettleResult[batch.Length], CancellationToken.None);
        }
    }
}
