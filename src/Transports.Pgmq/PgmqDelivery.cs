using System.Globalization;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq;

/// <summary>A row that is leased to us for as long as its <c>read_ct</c> is ours.</summary>
internal sealed class PgmqDelivery(PgmqReceiver owner, string queue, Envelope envelope, long id, int reads, int counted, DateTime due)
    : Delivery(queue, envelope, Math.Max(0, reads - 1 - counted))
{
    private int _settling;
    private volatile bool _isFixed;

    public PgmqReceiver Owner { get; } = owner;

    public long RowId { get; } = id;

    public override string BrokerPosition => RowId.ToString(CultureInfo.InvariantCulture);

    /// <summary>The fencing token: how often the row had been read when it became ours.</summary>
    public int Reads { get; } = reads;

    /// <summary>The reads that are accounted for (<see cref="EnvelopeMapper.Reads"/>).</summary>
    public int Counted { get; } = counted;

    /// <summary>The <c>vt</c> that the row had when it was claimed: its place in the queue.</summary>
    public DateTime Due { get; } = due;

    /// <summary>Not to be renewed: a transaction is open that could not settle what was changed after its begin.</summary>
    public bool IsFixed
    {
        get => _isFixed;
        set => _isFixed = value;
    }

    /// <summary>False if it is settled or being settled.</summary>
    public bool TryBegin() => Interlocked.Exchange(ref _settling, 1) == 0;

    /// <summary>It may be tried again.</summary>
    public void Undo() => Volatile.Write(ref _settling, 0);
}
