using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq;

/// <summary>A delivery, which is its channel's for as long as that lives.</summary>
internal sealed class RabbitMqDelivery(ConsumerChannel channel, string queue, int level, Envelope envelope, ulong tag, int redeliveries, byte[] body)
    : Delivery(queue, envelope, redeliveries)
{
    private int _settling;

    public ConsumerChannel Channel { get; } = channel;

    public ulong Tag { get; } = tag;

    /// <summary>The level that it was taken from.</summary>
    public int Level { get; } = level;

    /// <summary>False if it is settled or being settled.</summary>
    public bool TryBegin() => Interlocked.Exchange(ref _settling, 1) == 0;

    /// <summary>It is settled: nobody reads the body any more (<see cref="Delivery"/>), so the next delivery may have its array.</summary>
    public void End()
    {
        Channel.Unsettled.Settle(Tag);
        BodyPool.Return(body);
    }

    /// <summary>It may be tried again.</summary>
    public void Undo() => Volatile.Write(ref _settling, 0);
}
