using System.Diagnostics;
using NATS.Client.Core;

namespace Postrider.Transports.Nats;

/// <summary>A receiver on one connection: its consumers, checked, and the subscription for what is pulled from them.</summary>
internal sealed class ReceiverSession(Link link, PullInbox inbox, NatsSubBase notice, PullSource ready, PullSource? topics)
{
    public Link Link { get; } = link;

    /// <summary>The queue's own stream.</summary>
    public PullSource Ready { get; } = ready;

    /// <summary>What is published to topics; null while the queue is bound to none.</summary>
    public PullSource? Topics { get; set; } = topics;

    /// <summary>Why it cannot go on: a consumer is gone, say.</summary>
    public TransportException? Fault { get; set; }

    /// <summary>Bindings were written since they were read.</summary>
    public bool IsRebound { get; set; }

    public bool IsUsable => Link.IsOpen && Fault is null && !IsRebound;

    public int Outstanding => Ready.Outstanding + (Topics?.Outstanding ?? 0);

    public TimeSpan ShortestAckWait => Topics is null || Ready.AckWait < Topics.AckWait ? Ready.AckWait : Topics.AckWait;

    public async ValueTask CloseAsync()
    {
        await Link.UnsubscribeAsync(notice).ConfigureAwait(false);
        await Link.UnsubscribeAsync(inbox).ConfigureAwait(false);
    }

    public void ForgetLost()
    {
        Ready.ForgetLost();
        Topics?.ForgetLost();
    }

    /// <summary>How long to wait at most although nothing is heard; infinite if nothing was asked for.</summary>
    public TimeSpan UntilNextEnd()
    {
        var next = Math.Min(Ready.NextEnd(), Topics?.NextEnd() ?? long.MaxValue);
        var now = Stopwatch.GetTimestamp();
        // Timers count whole milliseconds.
        return next == long.MaxValue ? Timeout.InfiniteTimeSpan : Stopwatch.GetElapsedTime(now, Math.Max(now, next)) + TimeSpan.FromMilliseconds(1);
    }

    public static bool IsOver(long since, TimeSpan limit) => Stopwatch.GetElapsedTime(since) >= limit;
}
