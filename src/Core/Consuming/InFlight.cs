using Postrider.Core.Serialization;
using Postrider.Core.Stats;
using Postrider.Core.Transport;

namespace Postrider.Core.Consuming;

/// <summary>One place of the prefetch window: the delivery in it, its context and its cancellation. Reused for delivery after delivery.</summary>
internal sealed class InFlight : IDisposable
{
    /// <summary>Later than any time.</summary>
    private const long NotBegun = long.MaxValue;

    private readonly Lock _lock = new();
    private CancellationTokenSource _cancellation = new();
    private bool _cancelled;
    private bool _finished;
    private BodyBuffers? _body;

    /// <summary>When its handler began, 0 without one; negative once another stands in for it.</summary>
    private long _since;

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
    public bool IsRunning => Volatile.Read(ref _since) != 0;

    /// <summary>When its handler began, by this process's clock; null without one, and while it waits for its batch.</summary>
    public long? RunningSince => Math.Abs(Volatile.Read(ref _since)) is var since && since is 0 or NotBegun ? null : since;

    /// <summary>Its handler hung, and another place stands in for this one, which is of no more use.</summary>
    public bool IsReplaced { get; private set; }

    /// <summary>The drain is over, and it was handed back while its handler runs: the handler keeps the place.</summary>
    public bool IsAbandoned { get; private set; }

    /// <summary>Told when another worker stands in for that of its handler; null if nobody needs to know.</summary>
    public Action? OnReplaced { get; set; }

    /// <summary>Those of its consumer, while that runs.</summary>
    public HandlingCounters? Counters { get; set; }

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
            Attempt = delivery.Envelope.Attempt;
            _finished = false;
            Context.ClearCancelledBy();
        }
    }

    /// <summary>A handler begins with it.</summary>
    public void Begin(long now) => Volatile.Write(ref _since, now);

    /// <summary>The handler has only come to wait for others, until <see cref="BeginTogether"/>.</summary>
    public void WaitForOthers()
    {
        if (RunningSince is { } since)
        {
            Interlocked.CompareExchange(ref _since, NotBegun, since);
        }
    }

    public void BeginTogether(long now) => Interlocked.CompareExchange(ref _since, now, NotBegun);

    /// <summary>The handler has returned.</summary>
    /// <returns>Whether another worker stands in for its one, which is not needed any more.</returns>
    public bool End()
    {
        var isReplaced = Interlocked.Exchange(ref _since, 0) < 0;
        IsReplaced |= isReplaced;
        OnReplaced = null;
        return isReplaced;
    }

    /// <summary>Another worker is to stand in for that of the handler that began then, unless it has returned.</summary>
    public bool TryReplace(long since)
    {
        if (Interlocked.CompareExchange(ref _since, -since, since) != since)
        {
            return false;
        }

        OnReplaced?.Invoke();
        return true;
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
            _finished = false;
            Context.ClearCancelledBy();
        }
    }

    /// <summary>How it is to be settled is known: there is no handler left to cancel, and the settlement itself finds a lost lease.</summary>
    /// <returns>Whether it is still ours, as far as is known here.</returns>
    public bool Finish()
    {
        lock (_lock)
        {
            _finished = true;
            return !LeaseLost;
        }
    }

    /// <summary>Gives up on the handler: whatever comes of it is not told to the broker any more.</summary>
    /// <returns>The delivery, to be handed back; null if it has no handler, or how to settle it is known.</returns>
    public Delivery? Abandon()
    {
        lock (_lock)
        {
            if (!IsRunning || _finished)
            {
                return null;
            }

            LeaseLost = IsAbandoned = true;
            return Delivery;
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
