using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>
/// Flushes a queue as a consumer of it would: takes what is there and acks it. A purge of its streams would be quicker, but the server has none that leaves out what
/// others have in hand, and none of what is kept for one queue in the topics' stream.
/// </summary>
internal static class QueueFlush
{
    private const int Batch = 256;

    /// <summary>When nothing has come for so long, there is nothing.</summary>
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(1);

    /// <summary>Takes at most so many, and closes the receiver.</summary>
    public static async ValueTask<long> TakeAllAsync(IReceiver receiver, long most, CancellationToken cancellationToken)
    {
        await using var closing = receiver.ConfigureAwait(false);
        var (count, left) = (0L, most);
        while (left > 0 && await TakeAsync(receiver, (int)Math.Min(Batch, left), cancellationToken).ConfigureAwait(false) is { Count: > 0 } taken)
        {
            var results = new SettleResult[taken.Count];
            await receiver.SettleAsync(taken.Select(Settlement.Ack).ToArray(), results, CancellationToken.None).ConfigureAwait(false);
            count += results.Count(static result => result.Status == SettleStatus.Settled);
            left -= taken.Count;
            if (Array.Find(results, static result => result.Status == SettleStatus.Failed) is { Error: { } error })
            {
                throw error;
            }
        }

        return count;
    }

    private static async ValueTask<IReadOnlyList<Delivery>> TakeAsync(IReceiver receiver, int max, CancellationToken cancellationToken)
    {
        using var quiet = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        quiet.CancelAfter(Quiet);
        try
        {
            return await receiver.ReceiveAsync(max, quiet.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return [];
        }
    }
}
