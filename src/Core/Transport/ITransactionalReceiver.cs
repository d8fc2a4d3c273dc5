using System.Data;
using System.Data.Common;

namespace Postrider.Core.Transport;

/// <summary>A receiver whose deliveries can be settled in a database transaction with what their handlers write (see <see cref="TransportCapabilities.Transactions"/>).</summary>
public interface ITransactionalReceiver
{
    /// <summary>
    /// Begins a transaction for one delivery, on a connection of its own. No more than <see cref="ReceiverOptions.Transactions"/> are open at once.
    /// The caller disposes of it. May be called at the same time as the receiver's other members.
    /// </summary>
    /// <exception cref="TransportException">No transaction has begun; the delivery is as it was.</exception>
    ValueTask<IDeliveryTransaction> BeginAsync(Delivery delivery, IsolationLevel isolation, CancellationToken cancellationToken);
}

/// <summary>The transaction in which one delivery is handled. Disposal without a commit rolls it back, and never throws.</summary>
public interface IDeliveryTransaction : IAsyncDisposable
{
    /// <summary>For the handler to write in, and to publish in (<see cref="ITransactionalPublishing"/>).</summary>
    DbTransaction Transaction { get; }

    /// <summary>Settles the delivery as done within the transaction, fenced as any settlement, and commits. Not to be cancelled, since it may be committed already.</summary>
    /// <exception cref="Exception">The transaction will not be committed, and the delivery may be settled otherwise.</exception>
    ValueTask<CommitStatus> CommitAsync();
}

/// <summary>What became of the commit of an <see cref="IDeliveryTransaction"/>.</summary>
public enum CommitStatus
{
    /// <summary>Everything in it is durable, and the delivery is settled.</summary>
    Committed,

    /// <summary>The lease was over and another holds the message: nothing was committed.</summary>
    Lost,

    /// <summary>The connection broke during the commit. Either all is committed, or the message is handed out again when its lease is over.</summary>
    Unknown,
}
