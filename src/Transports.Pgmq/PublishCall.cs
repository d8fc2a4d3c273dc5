using Postrider.Core.Transport;
using Postrider.Publishing;

namespace Postrider.Transports.Pgmq;

/// <summary>One message, ready to be stored.</summary>
internal readonly record struct PublishItem(bool IsTopic, string Name, string Id, byte[] Message, byte[] Headers, long Delay, int Index) : IPublishItem
{
    /// <summary>The PGMQ queue of others that its topic is mapped to, or null.</summary>
    public string? Mapped { get; init; }

    public int Size => Message.Length + Headers.Length;

    /// <param name="copies">What the statement said of it.</param>
    /// <param name="where">Host, port and database.</param>
    public PublishResult Result(int copies, string where) => copies switch
    {
        > 0 => new(PublishStatus.Stored),
        < 0 => new(PublishStatus.Duplicate),
        _ => Unroutable(where),
    };

    private PublishResult Unroutable(string where) => Mapped is not null
        ? new(PublishStatus.Rejected, new TransportException(
            $"Cannot publish the topic '{Name}', which is mapped to the queue '{Mapped}' on PostgreSQL at {where}: there is no such queue of PGMQ 1.5 or newer (with a column headers). "
            + "Create it, or correct the mapping.",
            TransportError.Other))
        : new(PublishStatus.Unroutable, new TransportException(
        IsTopic
            ? $"No queue on PostgreSQL at {where} is bound to the topic '{Name}'."
            : $"There is no queue '{Name}' on PostgreSQL at {where}. Declare it, or start its consumer first.",
        TransportError.QueueNotFound));
}

/// <summary>One call of <see cref="PgmqPublisher.PublishAsync"/> under way.</summary>
internal sealed class PublishCall : PublishCall<PublishItem>
{
    /// <summary>The next item, if one is left and fits. For the one flush loop that has the call.</summary>
    public bool TryTake(long room, out PublishItem item)
    {
        lock (Gate)
        {
            if (IsAbandoned || Sent == Count || this[Sent].Size > room)
            {
                item = default;
                return false;
            }

            item = this[Sent++];
            return true;
        }
    }

    public bool HasMore
    {
        get
        {
            lock (Gate)
            {
                return !IsAbandoned && Sent < Count;
            }
        }
    }
}
