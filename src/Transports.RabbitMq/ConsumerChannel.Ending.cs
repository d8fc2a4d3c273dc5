using System.Diagnostics;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq;

/// <content>
/// Its end, so that no ack is forgotten and, of an ordered queue, nothing loses its place: what is unsettled then is not nacked but left to the broker, which takes it back in its order, and
/// the next channel waits for that (<c>docs/decisions/0016</c>).
/// </content>
internal sealed partial class ConsumerChannel
{
    /// <summary>So many commands of a channel to one queue the broker lets run before it holds further ones back (32, less a margin).</summary>
    private const int QuickSettlements = 24;

    private static readonly TimeSpan LongestFlush = TimeSpan.FromSeconds(2);

    /// <summary>How long whoever consumed an ordered queue before may stay. A client that is not ours may consume it, too.</summary>
    private static readonly TimeSpan LongestParting = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMilliseconds(20);

    private readonly long[] _settled = new long[QuickSettlements];
    private int _settlements;

    /// <summary>To be called before each ack and nack.</summary>
    public void NoteSettlement() => _settled[(uint)Interlocked.Increment(ref _settlements) % QuickSettlements] = Stopwatch.GetTimestamp();

    /// <summary>
    /// Ends receiving. What was pushed before stays here. With an order the subscription goes on until the channel closes, and what comes is held: while it is there, another receiver can
    /// tell that this one has not handed back yet (<see cref="ReadyAsync"/>).
    /// </summary>
    public Task EndAsync() => InTurnAsync(async () =>
    {
        _ended = true;
        if (!_keepsOrder)
        {
            await CancelAsync().ConfigureAwait(false);
        }

        Pushed.End();
    });

    public async ValueTask DisposeAsync()
    {
        _connections.Open.TryRemove(this, out _);
        if (HasUnsettled() && _failure is null)
        {
            await FlushAsync().ConfigureAwait(false);
        }

        Fail(new($"The receiver of '{_queue}' has been disposed of.", TransportError.Unavailable));
        try
        {
            await Channel.AbortAsync().ConfigureAwait(false);
            await Channel.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // It is gone either way.
        }
    }

    /// <summary>
    /// How many messages wait in a queue. With an order, when whoever consumed it before is gone: a channel's end is told to its owner before the queue has taken back what was
    /// unsettled, and what others are given meanwhile would overtake that.
    /// </summary>
    private async Task<uint> ReadyAsync(string queue)
    {
        for (var started = Stopwatch.GetTimestamp(); ;)
        {
            var told = await Channel.QueueDeclarePassiveAsync(queue).ConfigureAwait(false);
            if (!_keepsOrder || told.ConsumerCount == 0 || Stopwatch.GetElapsedTime(started) > LongestParting)
            {
                return told.MessageCount;
            }

            await Task.Delay(BetweenLooks, TimeProvider.System).ConfigureAwait(false);
        }
    }

    /// <summary>Whether so many settlements came so quickly one after the other, and just now, that the broker may not be through with them.</summary>
    private bool HasUnsettled()
    {
        var first = _settled[(uint)(Volatile.Read(ref _settlements) + 1) % QuickSettlements];
        return first != 0 && Stopwatch.GetElapsedTime(first) < LongestFlush;
    }

    /// <summary>
    /// A broker under load keeps acks of a quorum queue in the channel's process for some milliseconds, and forgets them when the channel is
    /// closed meanwhile: the messages come again. Beginning to consume goes through the queue's log, and all acks before it. What is pushed for it is handed back. With an order nothing is
    /// cancelled here either: what is on its way to a cancelled subscription goes back at once, before what has been here longer.
    /// </summary>
    private async ValueTask FlushAsync()
    {
        try
        {
            await EndAsync().WaitAsync(LongestFlush, TimeProvider.System).ConfigureAwait(false);
            await Channel.BasicQosAsync(0, 1, global: false).WaitAsync(LongestFlush, TimeProvider.System).ConfigureAwait(false);
            foreach (var subscription in _subscriptions)
            {
                await subscription.FlushAsync(LongestFlush, goesOn: _keepsOrder).ConfigureAwait(false);
            }
        }
        catch (Exception)
        {
            // Then some messages may come again.
        }
    }
}
