using System.Diagnostics;
using System.Text;

namespace Postrider.Transports.Nats;

/// <summary>
/// Tells the server that messages are still in hand: those that wait in the receiver's buffer, and those whose lease is longer than the server waits.
/// It ends with the lease, which only <see cref="Core.Transport.ILeaseRenewal"/> prolongs.
/// </summary>
internal sealed class LeaseKeeper(NatsReceiver receiver) : IAsyncDisposable
{
    public static readonly ReadOnlyMemory<byte> InProgress = Encoding.ASCII.GetBytes("+WPI");

    private readonly Lock _gate = new();
    private readonly List<NatsDelivery> _kept = [];
    private readonly List<NatsDelivery> _round = [];
    private Timer? _timer;
    private int _running;
    private volatile bool _keeps;

    /// <summary>Begins, or goes on with another wait.</summary>
    public void Begin(TimeSpan ackWait)
    {
        _keeps = ackWait < receiver.Lease;
        _timer ??= new(static state => _ = ((LeaseKeeper)state!).KeepAsync(), this, Timeout.Infinite, Timeout.Infinite);
        _timer.Change(ackWait / 4, ackWait / 4);
    }

    /// <summary>A delivery is handed out.</summary>
    public void Add(NatsDelivery delivery)
    {
        if (_keeps)
        {
            lock (_gate)
            {
                _kept.Add(delivery);
            }
        }
    }

    public ValueTask DisposeAsync() => _timer?.DisposeAsync() ?? default;

    private async Task KeepAsync()
    {
        if (Interlocked.Exchange(ref _running, 1) != 0)
        {
            return;
        }

        try
        {
            _round.Clear();
            receiver.CopyBufferTo(_round);
            lock (_gate)
            {
                _kept.RemoveAll(static one => one.IsSettled);
                _round.AddRange(_kept);
            }

            foreach (var delivery in _round)
            {
                if (!delivery.IsSettled && receiver.IsHeld(delivery))
                {
                    var now = Stopwatch.GetTimestamp();
                    var link = await receiver.LinkAsync(CancellationToken.None).ConfigureAwait(false);
                    await link.WriteAsync(delivery.AckSubject, InProgress, null, null, CancellationToken.None).ConfigureAwait(false);
                    delivery.ToldAt = now;
                }
            }
        }
        catch (Exception)
        {
            // No connection: the next round tries again, and what was not told in time counts as lost.
        }
        finally
        {
            Volatile.Write(ref _running, 0);
        }
    }
}
