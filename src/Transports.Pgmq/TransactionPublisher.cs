using System.Collections.Immutable;
using System.Data;
using System.Data.Common;
using Npgsql;
using Postrider.Core.Transport;
using Postrider.Persistence.Postgres;

namespace Postrider.Transports.Pgmq;

/// <summary>Publishes on the caller's connection, within his transaction: one statement for a call, and one for its mapped topics; nothing coalesced.</summary>
internal sealed class TransactionPublisher(Connections connections, SchemaMigration schema, MessageIds ids, ImmutableSortedDictionary<string, string> mapped)
{
    private const string Doing = "publish in the transaction";

    public async ValueTask PublishAsync(
        ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, DbTransaction transaction, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(results.Length, batch.Length);
        ArgumentNullException.ThrowIfNull(transaction);
        if (WhyUnfit(transaction, out var connection) is { } why)
        {
            results.Span.Fill(new(PublishStatus.Rejected, new TransportException($"Cannot {Doing}: {why}", TransportError.Other)));
            return;
        }

        var items = new List<PublishItem>(batch.Length);
        for (var i = 0; i < batch.Length; i++)
        {
            if (PgmqPublisher.Refuse(batch.Span[i], mapped, i, out var item) is { } error)
            {
                results.Span[i] = new(PublishStatus.Rejected, error);
            }
            else
            {
                items.Add(item);
            }
        }

        if (!mapped.IsEmpty)
        {
            await StoreAsync(connection, items.FindAll(static item => item.Mapped is not null), results, cancellationToken).ConfigureAwait(false);
            items.RemoveAll(static item => item.Mapped is not null);
        }

        await StoreAsync(connection, items, results, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask StoreAsync(NpgsqlConnection connection, List<PublishItem> items, Memory<PublishResult> results, CancellationToken cancellationToken)
    {
        if (items.Count == 0)
        {
            return;
        }

        try
        {
            await schema.EnsureAsync(cancellationToken).ConfigureAwait(false);
            var columns = new PublishColumns(items.Count, items[0].Mapped is not null, ids.Window);
            for (var i = 0; i < items.Count; i++)
            {
                columns.Set(i, items[i]);
            }

            var copies = await columns.StoreAsync(connection, cancellationToken).ConfigureAwait(false);
            for (var i = 0; i < items.Count; i++)
            {
                results.Span[items[i].Index] = items[i].Result(copies[i], connections.Where);
            }

            ids.Published(items.Count);
        }
        catch (Exception e)
        {
            if (PostgresErrors.LacksSchema(e))
            {
                schema.Forget();
            }

            // Of a single message it is known that it is the one that the server refuses.
            var status = items.Count == 1 && e is PostgresException refused && PgmqErrors.ConcernsData(refused) ? PublishStatus.Rejected : PublishStatus.NotSent;
            foreach (var item in items)
            {
                results.Span[item.Index] = new(status, PgmqErrors.Map(e, Doing, connections.Where));
            }
        }
    }

    /// <summary>What can be known without asking the server, so that the transaction is not harmed by it.</summary>
    private string? WhyUnfit(DbTransaction transaction, out NpgsqlConnection connection)
    {
        connection = null!;
        if (transaction is not NpgsqlTransaction own)
        {
            return $"it is a {transaction.GetType().Name} and has to be an NpgsqlTransaction.";
        }

        if (own.HasEnded())
        {
            return "it has ended. Publish before the commit.";
        }

        connection = own.Connection!;
        return connection.FullState.HasFlag(ConnectionState.Broken) || !connection.FullState.HasFlag(ConnectionState.Open)
                ? "its connection is closed or broken. Roll back."
            : connection.Database != connections.Database
                ? $"it is in the database '{connection.Database}', and the queues are in '{connections.Database}'."
            : null;
    }
}
