using System.Buffers;
using System.Globalization;
using NATS.Client.Core;

namespace Postrider.Transports.Nats;

/// <summary>Whoever waits for answers. Called on the thread that reads the socket: be quick, throw nothing.</summary>
internal interface IAwaiting
{
    /// <summary>The answer came. The payload is valid during the call only.</summary>
    /// <param name="item">What was given to <see cref="Replies.Take"/>.</param>
    /// <param name="status">The status line's code, 503 if nobody listens; 0 without one.</param>
    /// <param name="payload">The answer.</param>
    void Answered(int item, int status, in ReadOnlySequence<byte> payload);

    /// <summary>None will come.</summary>
    void Lost(int item, Exception error);

    /// <summary>Whether it was asked on this subject, and wants to be told that it is not allowed to; others find out when no answer comes.</summary>
    bool IsAbout(string subject) => false;
}

/// <summary>A place to wait for one answer at a time. Its subject is made once and used again for later questions.</summary>
internal sealed class ReplySlot(string subject)
{
    private IAwaiting? _awaiting;

    public string Subject { get; } = subject;

    public int Item { get; private set; }

    /// <summary>When the question was asked, for the sweep.</summary>
    public long Since { get; private set; }

    /// <summary>An answer may come, even if nobody waits for it any more. Guarded by the lock of <see cref="Replies"/>.</summary>
    public bool IsAsked { get; set; }

    public void Begin(IAwaiting awaiting, int item)
    {
        (Item, Since, IsAsked) = (item, Environment.TickCount64, true);
        Volatile.Write(ref _awaiting, awaiting);
    }

    public bool IsAbout(string subject) => Volatile.Read(ref _awaiting)?.IsAbout(subject) ?? false;

    /// <summary>Null if an answer, the time-out or the giver-up was first: exactly one of them gets it.</summary>
    public IAwaiting? End() => Interlocked.Exchange(ref _awaiting, null);

    /// <summary>Ends the wait if it is still this one's.</summary>
    public bool End(IAwaiting awaiting) => Interlocked.CompareExchange(ref _awaiting, null, awaiting) == awaiting;
}

/// <summary>The answers of one connection: one subscription for all questions, told apart by the number at the end of the subject.</summary>
/// <remarks>
/// A slot is free again only when its answer has come: whoever gave up waiting leaves it, so a late answer is never taken for another's.
/// </remarks>
internal sealed class Replies : NatsSubBase
{
    private readonly string _inbox;
    private readonly Lock _gate = new();
    private readonly List<ReplySlot> _slots = [];
    private readonly Stack<ReplySlot> _free = [];
    private Exception? _lost;

    public Replies(NatsConnection connection, string inbox)
        : base(connection, connection.SubscriptionManager, inbox + ".*", null, null) => _inbox = inbox + ".";

    /// <summary>A place to wait. When the connection is lost already, the loss is told at once.</summary>
    public ReplySlot Take(IAwaiting awaiting, int item)
    {
        ReplySlot? slot;
        Exception? lost;
        lock (_gate)
        {
            if (!_free.TryPop(out slot))
            {
                slot = new(_inbox + _slots.Count.ToString(CultureInfo.InvariantCulture));
                _slots.Add(slot);
            }

            slot.Begin(awaiting, item);
            lost = _lost;
        }

        if (lost is not null)
        {
            slot.End()?.Lost(item, lost);
        }

        return slot;
    }

    /// <summary>The question was not asked after all. False if the answer or the loss has been told already.</summary>
    public bool Return(ReplySlot slot, IAwaiting awaiting)
    {
        if (!slot.End(awaiting))
        {
            return false;
        }

        Free(slot);
        return true;
    }

    /// <summary>The connection is gone: no answer will come, to anyone.</summary>
    public void LoseAll(Exception error) => Lose(static _ => true, error, forGood: true);

    /// <summary>Ends the waits that began before.</summary>
    public void LoseBefore(long tick, Exception error) => Lose(slot => slot.Since < tick, error, forGood: false);

    /// <summary>Ends the waits of those who asked on this subject.</summary>
    public void LoseAbout(string subject, Exception error) => Lose(slot => slot.IsAbout(subject), error, forGood: false);

    /// <summary>Found under the lock under which waits begin, as a slot may belong to the next question a moment later; told outside of it.</summary>
    private void Lose(Func<ReplySlot, bool> which, Exception error, bool forGood)
    {
        List<(IAwaiting Awaiting, int Item)>? lost = null;
        lock (_gate)
        {
            _lost = forGood ? error : _lost;
            foreach (var slot in _slots)
            {
                if (slot.IsAsked && which(slot) && slot.End() is { } awaiting)
                {
                    (lost ??= []).Add((awaiting, slot.Item));
                }
            }
        }

        foreach (var (awaiting, item) in lost ?? [])
        {
            awaiting.Lost(item, error);
        }
    }

    protected override ValueTask ReceiveInternalAsync(string subject, string? replyTo, ReadOnlySequence<byte>? headersBuffer, ReadOnlySequence<byte> payloadBuffer)
    {
        if (int.TryParse(subject.AsSpan(_inbox.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            ReplySlot slot;
            lock (_gate)
            {
                if (number >= _slots.Count)
                {
                    return default;
                }

                slot = _slots[number];
            }

            var item = slot.Item;
            var awaiting = slot.End();
            Free(slot);
            awaiting?.Answered(item, Headers.Status(headersBuffer), payloadBuffer);
        }

        return default;
    }

    private void Free(ReplySlot slot)
    {
        lock (_gate)
        {
            if (slot.IsAsked)
            {
                slot.IsAsked = false;
                _free.Push(slot);
            }
        }
    }

    protected override void TryComplete()
    {
    }
}
