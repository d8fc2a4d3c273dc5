using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <summary>One place of the prefetch window: the delivery in it, its context and its cancellation. Reused for delivery after delivery.</summary>
internal sealed class InFlight : IDisposable
{
    private readonly Lock _lock = new();
    private CancellationTokenSource _cancellation = new();
    private bool _cancelled;
    private bool _finished;
    private BodyBuffers? _body;

    public InFlight() => Context = new(this);

    public ConsumeContext Context { get; }

    /// <summary>The delivery, until it is settled.</summary>
    public Delivery? Delivery { get; private set; }

    /// <summary>What its consumer is to see of it.</summary>
    public Envelope Envelope { get; set; } = null!;

    /// <summary>Another holder has the message: nothing is settled any more.</summary>
    public bool LeaseLost { get; private set; }

    /// <summary>It was settled when it was handled: what is left is to free the place.</summary>
    public bool IsSettled { get; set; }

    /// <summary>Why nothing more is to be taken from the queue.</summary>
    public string? StopReason { get; set; }

    /// <summary>When its lease began, by this process's clock.</summary>
    public long LeasedAt { get; set; }

    /// <summary>The key of its lane, if it is in one.</summary>
    public string? Key { get; set; }

    /// <summary>The order in which deliveries came.</summary>
    public long Sequence { get; set; }

    /// <summary>1 for the first handler run. It is more than the message tells when earlier runs were held here (<see cref="KeyedLanes"/>).</summary>
    public int Attempt { get; set; }

    /// <summary>A handler has it.</summary>
    public bool IsRunning { get; set; }

    /// <summary>Whom to tell when its dead letter is durable.</summary>
    public PendingFailure? Failure { get; set; }

    /// <summary>Tells whoever waits for its answer, when its failure is settled.</summary>
    public Func<ValueTask>? Fault { get; set; }

    public CancellationToken CancellationToken => _cancellation.Token;

    public void Fill(Delivery delivery)
    {
        lock (_lock)
        {
            Delivery = delivery;
            Envelope = delivery.Envelope;
            LeaseLost = false;
            Key = null;
            IsSettled = false;
            IsRunning = false;
            Attempt = delivery.Envelope.Attempt;
            _finished = false;
            Context.ClearCancelledBy();
        }
    }

    /// <summary>Room for the body that the consumer is to see, until <see cref="ForgetBody"/>.</summary>
    public BodyBuffers RentBody(int limit) => _body = BodyBuffers.Take(limit);

    public void ForgetBody()
    {
        _body?.Return();
        _body = null;
    }

    /// <summary>It runs once more, without having been settled.</summary>
    public void Again()
    {
        lock (_lock)
        {
            Attempt++;
            Envelope = Delivery!.Envelope;
            IsRunning = false;
            _finished = false;
            Context.ClearCancelledBy();
        }
    }

    /// <summary>How it is to be settled is known: there is no handler left to cancel, and the settlement itself finds a lost lease.</summary>
    public void Finish()
    {
        lock (_lock)
        {
            _finished = true;
        }
    }

    public void Clear()
    {
        lock (_lock)
        {
            Delivery = null;
            Failure = null;
            Fault = null;
            StopReason = null;
            Envelope = null!;
            Context.Delivery = null!;
            Context.Envelope = null!;
            Context.Services = null!;
            if (_cancelled || !_cancellation.TryReset())
            {
                // Whoever cancels may still be at it, so the old one is left to the collector.
                _cancellation = new();
                _cancelled = false;
            }
        }
    }

    /// <summary>Cancels the handler if the delivery is still this one and in its hands, and tells whether it is.</summary>
    public bool LoseLease(Delivery delivery) => Cancel(delivery, CancellationCause.LeaseLost);

    /// <summary>Cancels the handler, if there is one, since the drain is over.</summary>
    public void Cancel() => Cancel(null, CancellationCause.Shutdown);

    public void Dispose() => _cancellation.Dispose();

    private bool Cancel(Delivery? expected, CancellationCause cause)
    {
        CancellationTokenSource cancellation;
        lock (_lock)
        {
            if (Delivery is null || _finished || (expected is not null && Delivery != expected))
            {
                return false;
            }

            LeaseLost |= cause == CancellationCause.LeaseLost;
            Context.SetCancelledBy(cause);
            _cancelled = true;
            cancellation = _cancellation;
        }

        cancellation.Cancel();
        return true;
    }
}
