using System.Diagnostics;
using NATS.Client.Core;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>A receiver on one connection: its consumers, checked, and the subscriptions for what is pulled from them and for news.</summary>
internal sealed class ReceiverSession(Link link)
{
    /// <summary>The tag of the queue's own stream.</summary>
    public const char Ready = 'q';

    /// <summary>The tag of what is published to topics; there is none while the queue is bound to none. Other tags are those of levels: their digits.</summary>
    public const char Topics = 't';

    private readonly List<NatsSubBase> _subscriptions = [];

    public Link Link { get; } = link;

    /// <summary>Where what is pulled comes to.</summary>
    public string Inbox { get; } = "_INBOX." + Guid.NewGuid().ToString("N");

    /// <summary>The queue's own stream first.</summary>
    public PullSource[] Sources { get; private set; } = [];

    /// <summary>The queue has levels, and these are among the sources.</summary>
    public bool HasLevels { get; private set; }

    /// <summary>Why it cannot go on: a consumer is gone, say.</summary>
    public TransportException? Fault { get; set; }

    /// <summary>Bindings or levels were written since they were read.</summary>
    public bool IsRebound { get; set; }

    public bool IsUsable => Link.IsOpen && Fault is null && !IsRebound;

    public int Outstanding
    {
        get
        {
            var sum = 0;
            foreach (var source in Sources)
            {
                sum += source.Outstanding;
            }

            return sum;
        }
    }

    public TimeSpan ShortestAckWait => Sources.Min(static source => source.AckWait);

    /// <summary>The source of a tag, or the queue's own if there is none.</summary>
    public PullSource Of(char tag)
    {
        var sources = Sources;
        foreach (var source in sources)
        {
            if (source.Tag == tag)
            {
                return source;
            }
        }

        return sources[0];
    }

    public bool Has(char tag) => Sources.Length > 0 && Of(tag).Tag == tag;

    public void Add(List<PullSource> sources)
    {
        Sources = [.. Sources, .. sources];
        HasLevels = Array.Exists(Sources, static source => char.IsAsciiDigit(source.Tag));
    }

    public async ValueTask SubscribeAsync(Func<NatsConnection, NatsSubBase> make, CancellationToken cancellationToken) =>
        await Link.SubscribeAsync(
            connection =>
            {
                var made = make(connection);
                _subscriptions.Add(made);
                return made;
            }, cancellationToken).ConfigureAwait(false);

    public async ValueTask CloseAsync()
    {
        foreach (var subscription in _subscriptions)
        {
            await Link.UnsubscribeAsync(subscription).ConfigureAwait(false);
        }
    }

    public void ForgetLost()
    {
        foreach (var source in Sources)
        {
            source.ForgetLost();
        }
    }

    /// <summary>How long to wait at most although nothing is heard; infinite if nothing was asked for.</summary>
    public TimeSpan UntilNextEnd()
    {
        var next = long.MaxValue;
        foreach (var source in Sources)
        {
            next = Math.Min(next, source.NextEnd());
        }

        var now = Stopwatch.GetTimestamp();
        // Timers count whole milliseconds.
        return next == long.MaxValue ? Timeout.InfiniteTimeSpan : Stopwatch.GetElapsedTime(now, Math.Max(now, next)) + TimeSpan.FromMilliseconds(1);
    }

    /// <summary>The tag of a level's source.</summary>
    public static char TagOf(int level) => level == Priorities.Default ? Ready : (char)('0' + level);

    public static bool IsOver(long since, TimeSpan limit) => Stopwatch.GetElapsedTime(since) >= limit;
}
