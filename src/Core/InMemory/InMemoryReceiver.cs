using System.Runtime.CompilerServices;
using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <summary>Receives from one queue. Holds nothing itself: what it took is the queue's to count, and nothing is fetched ahead.</summary>
internal sealed class InMemoryReceiver(InMemoryTransport transport, InMemoryQueue queue, ReceiverOptions options) : IReceiver, ILeaseRenewal
{
    private readonly QueueReader _reader = new(options.Lease, options.LowerPriorityOneIn);

    /// <summary>Makes itself known to the queue.</summary>
    /// <exception cref="TransportException">The queue was deleted meanwhile.</exception>
    public void Open() => queue.Open(_reader);

    public ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<IReadOnlyList<Delivery>>(cancellationToken);
        }

        return queue.TakeOrWait(_reader, max) is { } taken ? new(taken) : WaitAsync(max, cancellationToken);
    }

    public ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        InMemoryTransport.CheckLength(batch.Length, results.Length);
        if (!FailedByCancellation(results.Span, cancellationToken))
        {
            queue.Settle(_reader, batch.Span, results.Span);
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask RenewAsync(ReadOnlyMemory<Delivery> deliveries, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        InMemoryTransport.CheckLength(deliveries.Length, results.Length);
        if (!FailedByCancellation(results.Span, cancellationToken))
        {
            queue.Renew(_reader, deliveries.Span, results.Span);
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask StopAsync(CancellationToken cancellationToken)
    {
        queue.Stop(_reader, close: false);
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        queue.Stop(_reader, close: true);
        transport.Forget(this);
        return ValueTask.CompletedTask;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<IReadOnlyList<Delivery>> WaitAsync(int max, CancellationToken cancellationToken)
    {
        while (true)
        {
            // The registration ends before the signal is used again, so that a late cancellation cannot end a later wait.
            using (cancellationToken.UnsafeRegister(static state => ((InMemoryReceiver)state!).EndWait(), this))
            {
                await _reader.WaitAsync().ConfigureAwait(false);
            }

            if (cancellationToken.IsCancellationRequested)
            {
                EndWait();
                cancellationToken.ThrowIfCancellationRequested();
            }

            if (queue.TakeOrWait(_reader, max) is { } taken)
            {
                return taken;
            }
        }
    }

    private void EndWait() => queue.EndWait(_reader);

    /// <summary>A cancelled settlement tells the broker nothing; that is a result for each item.</summary>
    private static bool FailedByCancellation(Span<SettleResult> results, CancellationToken cancellationToken)
    {
        if (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }

        results.Fill(SettleResult.Failed(new OperationCanceledException(cancellationToken)));
        return true;
    }
}
