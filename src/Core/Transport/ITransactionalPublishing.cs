using System.Data.Common;

namespace Postrider.Core.Transport;

/// <summary>
/// A transport that can publish within a database transaction of the caller (see <see cref="TransportCapabilities.Transactions"/>): its queues are in
/// that database.
/// </summary>
public interface ITransactionalPublishing
{
    /// <summary>
    /// As <see cref="ITransport.PublishAsync"/>, on the transaction's own connection: <see cref="PublishStatus.Stored"/> means stored if and when the
    /// transaction commits. Not called twice at the same time for one transaction, and on a connection that runs no other command.
    /// </summary>
    /// <remarks>
    /// <para><see cref="PublishStatus.Unknown"/> does not occur: what failed is stored in no case, and has aborted the transaction where the server was asked.</para>
    /// <para>The transaction stays the caller's to commit or roll back. Cancelling cancels the statement, which aborts the transaction.</para>
    /// </remarks>
    ValueTask PublishAsync(
        ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, DbTransaction transaction, CancellationToken cancellationToken);
}
