using Postrider.Core.Serialization;
using Postrider.Core.Transport;
using Postrider.Pooling;

namespace Postrider.Core.Publishing;

/// <summary>What one publish needs: an envelope, buffers, a slot each for message and result, and a timeout. Reused.</summary>
internal sealed class PublishOperation : IDisposable
{
    private readonly int _maxBodyBytes;
    private readonly TimeProvider _time;
    private CancellationTokenSource _timeout;
    private CancellationTokenRegistration _caller;

    private PublishOperation(int maxBodyBytes, TimeProvider time)
    {
        (_maxBodyBytes, _time) = (maxBodyBytes, time);
        _timeout = new(Timeout.InfiniteTimeSpan, time);
        Body = new(maxBodyBytes);
    }

    public BodyBuffers Body { get; }

    public Envelope Envelope { get; } = new() { Id = "" };

    public OutgoingMessage[] Message { get; } = new OutgoingMessage[1];

    public PublishResult[] Result { get; } = new PublishResult[1];

    /// <summary>Set by <see cref="Diagnostics.Telemetry.Inject"/>.</summary>
    public string? TraceParent { get; set; }

    public string? TraceState { get; set; }

    public string? Baggage { get; set; }

    /// <summary>An unused one. Give it back by <see cref="Return"/>, or dispose of it.</summary>
    public static PublishOperation Take(int maxBodyBytes, TimeProvider time) =>
        Pool<PublishOperation>.Take() is { } used && used._maxBodyBytes == maxBodyBytes && used._time == time ? used : new(maxBodyBytes, time);

    public void Return()
    {
        Reset();
        Pool<PublishOperation>.Give(this);
    }

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
        Envelope.Become(default);
        Message[0] = default;
        Result[0] = default;
        TraceParent = TraceState = Baggage = null;
    }
}
