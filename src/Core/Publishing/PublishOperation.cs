using System.Collections.Concurrent;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider.Core.Publishing;

/// <summary>What one publish needs besides its envelope: buffers, a slot each for message and result, and a timeout. Reused.</summary>
internal sealed class PublishOperation(int maxBodyBytes, TimeProvider time) : IDisposable
{
    private readonly TimeProvider _time = time;
    private CancellationTokenSource _timeout = new(Timeout.InfiniteTimeSpan, time);
    private CancellationTokenRegistration _caller;

    public PooledBufferWriter Body { get; } = new(maxBodyBytes);

    public OutgoingMessage[] Message { get; } = new OutgoingMessage[1];

    public PublishResult[] Result { get; } = new PublishResult[1];

    /// <summary>Set by <see cref="Diagnostics.Telemetry.Inject"/>.</summary>
    public string? TraceParent { get; set; }

    public string? TraceState { get; set; }

    public string? Baggage { get; set; }

    /// <summary>A token that is cancelled with the caller's, or when the time is over.</summary>
    public CancellationToken Begin(TimeSpan timeout, CancellationToken caller)
    {
        _timeout.CancelAfter(timeout);
        if (caller.CanBeCanceled)
        {
            _caller = caller.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), _timeout);
        }

        return _timeout.Token;
    }

    public void Dispose()
    {
        _caller.Dispose();
        _timeout.Dispose();
        Body.Reset();
    }

    private void Reset()
    {
        _caller.Dispose();
        _caller = default;
        if (!_timeout.TryReset())
        {
            _timeout.Dispose();
            _timeout = new(Timeout.InfiniteTimeSpan, _time);
        }

        Body.Reset();
        Message[0] = default;
        Result[0] = default;
        TraceParent = TraceState = Baggage = null;
    }

    /// <summary>Thread-safe; keeps a bounded number.</summary>
    internal sealed class Pool(int maxBodyBytes, TimeProvider time)
    {
        private const int Kept = 1024;
        private readonly ConcurrentQueue<PublishOperation> _free = new();

        public PublishOperation Take() => _free.TryDequeue(out var operation) ? operation : new(maxBodyBytes, time);

        public void Return(PublishOperation operation)
        {
            operation.Reset();
            if (_free.Count < Kept)
            {
                _free.Enqueue(operation);
            }
            else
            {
                operation.Dispose();
            }
        }
    }
}
