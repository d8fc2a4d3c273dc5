using System.Data.Common;
using Npgsql;
using NpgsqlTypes;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq;

/// <summary>The transaction in which a delivery is handled, on a connection of its own.</summary>
internal sealed class PgmqDeliveryTransaction(NpgsqlConnection connection, NpgsqlTransaction transaction, PgmqDelivery delivery, string ack)
    : IDeliveryTransaction
{
    public DbTransaction Transaction => transaction;

    public async ValueTask<CommitStatus> CommitAsync()
    {
        if (transaction.HasEnded())
        {
            throw new InvalidOperationException(
                "The handler has ended its transaction itself. Leave the commit and the rollback to the outcome, which settles the message too.");
        }

        if (!delivery.TryBegin())
        {
            return CommitStatus.Lost;
        }

        try
        {
            // In a transaction that a failed statement has aborted this fails, while a commit would silently become a rollback.
            if (!await AckAsync().ConfigureAwait(false))
            {
                return CommitStatus.Lost;
            }
        }
        catch (Exception)
        {
            delivery.Undo();
            throw;
        }

        try
        {
            await transaction.CommitAsync(CancellationToken.None).ConfigureAwait(false);
            return CommitStatus.Committed;
        }
        catch (PostgresException e) when (e.InvariantSeverity == "ERROR")
        {
            // The server has answered that it did not: a deferred constraint, a conflict of serializable transactions.
            delivery.Undo();
            throw;
        }
        catch (Exception)
        {
            return CommitStatus.Unknown;
        }
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await transaction.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The connection is broken, so the server rolls back.
        }

        delivery.IsFixed = false;
        await connection.DisposeAsync().ConfigureAwait(false);
    }

    private async ValueTask<bool> AckAsync()
    {
        var command = new NpgsqlCommand(ack, connection);
        await using (command.ConfigureAwait(false))
        {
            command.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = [delivery.RowId], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint });
            command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [delivery.Reads], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Integer });
            return await command.ExecuteScalarAsync(CancellationToken.None).ConfigureAwait(false) is not null;
        }
    }
}
