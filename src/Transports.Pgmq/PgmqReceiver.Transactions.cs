using System.Data;
using Npgsql;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq;

/// <content>Transactions in which single deliveries are handled.</content>
internal sealed partial class PgmqReceiver
{
    public async ValueTask<IDeliveryTransaction> BeginAsync(Delivery delivery, IsolationLevel isolation, CancellationToken cancellationToken)
    {
        var own = Own(delivery);
        var pool = _handling ?? throw new InvalidOperationException("The receiver was opened without ReceiverOptions.Transactions.");
        try
        {
            if (isolation != IsolationLevel.ReadCommitted)
            {
                // A renewal that is under way comes before the begin; after it there is none.
                own.IsFixed = true;
                await _renewal.WaitAsync(cancellationToken).ConfigureAwait(false);
                _renewal.Release();
            }

            return await BeginAsync(pool, own, isolation, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception)
        {
            own.IsFixed = false;
            throw;
        }
    }

    private async ValueTask<PgmqDeliveryTransaction> BeginAsync(
        NpgsqlDataSource pool, PgmqDelivery delivery, IsolationLevel isolation, CancellationToken cancellationToken)
    {
        var doing = $"begin a transaction for '{_queue}'";
        var connection = await _connections.OpenAsync(pool, doing, cancellationToken).ConfigureAwait(false);
        try
        {
            var transaction = await connection.BeginTransactionAsync(isolation, cancellationToken).ConfigureAwait(false);
            // The begin goes with the first command. Here it finds out that the connection is no more, which else would be the handler's failure.
            var begin = new NpgsqlCommand("select", connection);
            await using (begin.ConfigureAwait(false))
            {
                await begin.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            }

            return new(connection, transaction, delivery, _settler.Done);
        }
        catch (Exception e)
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw e is OperationCanceledException ? e : _connections.Failed(e, doing);
        }
    }
}
