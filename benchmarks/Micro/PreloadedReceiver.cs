using System.Collections;
using Postrider.Core.Transport;

namespace Postrider.Micro;

/// <summary>Has as many messages as it is told, hands them out without work of its own, and tells when all are settled.</summary>
internal sealed class PreloadedReceiver : IReceiver
{
    private const int Reused = 4096;
    private readonly Ready[] _deliveries = new Ready[Reused];
    private readonly Batch _batch;
    private readonly SemaphoreSlim _loaded = new(0);
    private TaskCompletionSource _settled = new();
    private int _left;
    private int _unsettled;

    public PreloadedReceiver()
    {
        var envelope = Order.Envelope(Order.Bytes());
        for (var i = 0; i < _deliveries.Length; i++)
        {
            _deliveries[i] = new(envelope);
        }

        _batch = new(_deliveries);
    }

    /// <summary>Hands out so many; completes when they are settled.</summary>
    public Task RunAsync(int count)
    {
        _settled = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _unsettled, count);
        _left = count;
        _loaded.Release();
        return _settled.Task;
    }

    public async ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken)
    {
        while (_left == 0)
        {
            await _loaded.WaitAsync(cancellationToken);
        }

        var count = Math.Min(max, _left);
        _left -= count;
        _batch.Count = count;
        return _batch;
    }

    public ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
    {
        results.Span.Fill(SettleResult.Settled);
        if (Interlocked.Add(ref _unsettled, -batch.Length) == 0)
        {
            _settled.TrySetResult();
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask StopAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private sealed class Ready(Envelope envelope) : Delivery("bench", envelope, 0);

    /// <summary>The same object for every batch.</summary>
    private sealed class Batch(Ready[] deliveries) : IReadOnlyList<Delivery>
    {
        private int _first;
        private int _count;

        public int Count
        {
            get => _count;
            set => (_first, _count) = ((_first + _count) % (deliveries.Length / 2), value);
        }

        public Delivery this[int index] => deliveries[_first + index];

        public IEnumerator<Delivery> GetEnumerator() => deliveries.Skip(_first).Take(_count).Cast<Delivery>().GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
