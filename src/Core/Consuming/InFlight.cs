using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <summary>One place of the prefetch window: the delivery in it, its context and its cancellation. Reused for delivery after delivery.</summary>
internal sealed class InFlight : IDisposable
{
    private readonly Lock _lock = new();
    private CancellationTokenSource _cancellation = new();
    private bool _cancelled;
    private bool _finished;

    public ConsumeContext Context { get; } = new();

    /// <summary>The delivery, until it is settled.</summary>
    public Delivery? Delivery { get; private set; }

    /// <summary>What its consumer is to see of it.</summary>
    public Envelope Envelope { get; set; } = null!;

    /// <summary>Another holder has the message: nothing is settled any more.</summary>
    public bool LeaseLost { get; private set; }

    /// <summary>Whom to tell when its dead letter is durable.</summary>
    public PendingFailure? Failure { get; set; }

    public CancellationToken CancellationToken => _cancellation.Token;

    public void Fill(Delivery delivery)
    {
        lock (_lock)
        {
            Delivery = delivery;
            Envelope = delivery.Envelope;
            LeaseLost = false;
            _finished = false;
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
    public bool LoseLease(Delivery delivery) => Cancel(delivery, leaseLost: true);

    /// <summary>Cancels the handler, if there is one.</summary>
    public void Cancel() => Cancel(null, leaseLost: false);

    public void Dispose() => _cancellation.Dispose();

    private bool Cancel(Delivery? expected, bool leaseLost)
    {
        CancellationTokenSource cancellation;
        lock (_lock)
        {
            if (Delivery is null || _finished || (expected is not null && Delivery != expected))
            {
                return false;
            }

            LeaseLost |= leaseLost;
            _cancelled = true;
            cancellation = _cancellation;
        }

        cancellation.Cancel();
        return true;
    }
}
