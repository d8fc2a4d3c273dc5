using System.Globalization;
using Npgsql;
using Postrider.Core.Transport;
using Postrider.Persistence.Postgres;

namespace Postrider.Transports.Pgmq;

/// <summary>Looks into queues and dead-letter queues by the rows' ids, without a lock, and removes. Rows that somebody has in hand are shown too.</summary>
internal sealed class PgmqBrowser(Connections connections, SchemaMigration schema)
{
    /// <summary>So many are removed in one transaction, so that nobody waits long and no statement becomes too old.</summary>
    private const int FlushedAtOnce = 10_000;

    public ValueTask<IReadOnlyList<string>> ListQueuesAsync(string prefix, CancellationToken cancellationToken) => WithAsync<IReadOnlyList<string>>(
        "list the queues",
        async connection =>
        {
            var found = new List<string>();
            using var command = new NpgsqlCommand(Sql.ListQueues, connection);
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = prefix });
            var rows = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (rows.ConfigureAwait(false))
            {
                while (await rows.ReadAsync(cancellationToken).ConfigureAwait(false))
                {
                    var name = rows.GetString(0);
                    if (Names.WhyIllegalQueue(name) is null && !Names.IsDeadLetterQueue(name))
                    {
                        found.Add(name);
                    }
                }
            }

            return found;
        },
        cancellationToken);

    /// <summary>How many messages the table has: a row stays until it is settled.</summary>
    /// <param name="queue">The queue as it was asked for.</param>
    /// <param name="name">It, or its dead-letter queue.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public ValueTask<long> CountAsync(string queue, string name, CancellationToken cancellationToken) => WithAsync(
        queue, name, $"count the messages of '{name}'",
        async (connection, table) =>
        {
            using var command = new NpgsqlCommand(Sql.Count(table), connection);
            return (long)(await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!;
        },
        cancellationToken);

    /// <summary>What the queue itself has.</summary>
    public ValueTask<QueueDepth> DepthAsync(string queue, CancellationToken cancellationToken) => WithAsync(
        queue, queue, $"count the messages of '{queue}'",
        async (connection, table) =>
        {
            using var command = new NpgsqlCommand(Sql.Depth(table), connection);
            using var row = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await row.ReadAsync(cancellationToken).ConfigureAwait(false);
            var ready = row.GetInt64(0);
            return new QueueDepth(ready + row.GetInt64(1), ready, row.GetInt64(2), TimeSpan.FromMicroseconds(row.GetInt64(3)));
        },
        cancellationToken);

    public ValueTask<List<PendingMessage>> ListAsync(string queue, string name, string? after, int max, CancellationToken cancellationToken) => WithAsync(
        queue, name, $"look into '{name}'",
        async (connection, table) =>
        {
            var found = new List<PendingMessage>();
            var envelopes = new EnvelopeReader(table);
            using var command = new NpgsqlCommand(Sql.Browse(table), connection);
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = RowId(after) });
            command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = max });
            var rows = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (rows.ConfigureAwait(false))
            {
                while (await rows.ReadAsync(cancellationToken).ConfigureAwait(false))
                {
                    found.Add(Show(rows, envelopes));
                }
            }

            return found;
        },
        cancellationToken);

    public async ValueTask<PendingMessage?> FindAsync(string queue, string name, string position, CancellationToken cancellationToken)
    {
        var before = (RowId(position) - 1).ToString(CultureInfo.InvariantCulture);
        var found = await ListAsync(queue, name, before, 1, cancellationToken).ConfigureAwait(false);
        return found is [var message] && message.Position == position ? message : null;
    }

    public ValueTask<bool> DeleteAsync(string queue, string name, string position, CancellationToken cancellationToken) => WithAsync(
        queue, name, $"delete from '{name}'",
        async (connection, table) =>
        {
            using var command = new NpgsqlCommand(Sql.Delete(table), connection);
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = RowId(position) });
            return await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false) > 0;
        },
        cancellationToken);

    /// <summary>Removes what is ready, and what is delayed too if that is wanted, up to the row that is the last one now.</summary>
    public ValueTask<long> FlushAsync(string queue, bool delayed, CancellationToken cancellationToken) => WithAsync(
        queue, queue, $"flush '{queue}'",
        async (connection, table) =>
        {
            using var last = new NpgsqlCommand(Sql.Last(table), connection);
            var end = (long)(await last.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!;
            using var command = new NpgsqlCommand(Sql.Flush(table), connection);
            var after = new NpgsqlParameter<long>();
            command.Parameters.Add(after);
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = end });
            command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = delayed });
            command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = FlushedAtOnce });
            var total = 0L;
            while (true)
            {
                var rows = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                await using (rows.ConfigureAwait(false))
                {
                    await rows.ReadAsync(cancellationToken).ConfigureAwait(false);
                    total += rows.GetInt64(0);
                    if (rows.GetInt64(0) < FlushedAtOnce)
                    {
                        return total;
                    }

                    after.TypedValue = rows.GetInt64(1);
                }
            }
        },
        cancellationToken);

    /// <summary>
    /// A row that is not due is in hand if it was read more often than is accounted for: giving it back, with a delay or without, accounts for the reads (see
    /// <see cref="Sql.GiveBack"/>), and a crash leaves one that is due when the lease is over.
    /// </summary>
    private static PendingMessage Show(NpgsqlDataReader row, EnvelopeReader envelopes)
    {
        var id = row.GetInt64(0);
        var message = row.IsDBNull(1) ? null : row.GetFieldValue<byte[]>(1);
        var headers = row.IsDBNull(2) ? null : row.GetFieldValue<byte[]>(2);
        var envelope = envelopes.Read(id, message, headers, out var counted, out _);
        var (open, isDue) = (Math.Max(0, row.GetInt32(3) - counted), row.GetBoolean(5));
        var isInHand = !isDue && open > 0;
        return new(id.ToString(CultureInfo.InvariantCulture), envelope)
        {
            DueAt = isDue || isInHand ? null : row.GetFieldValue<DateTimeOffset>(4),
            IsInHand = isInHand,
            Redeliveries = isInHand ? open - 1 : open,
        };
    }

    /// <summary>No row has the id of a position that is not one, and all come after it.</summary>
    private static long RowId(string? position) => long.TryParse(position, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : -1;

    private ValueTask<T> WithAsync<T>(string queue, string name, string doing, Func<NpgsqlConnection, string, Task<T>> action, CancellationToken cancellationToken)
    {
        _ = TableName.Of(name);
        return WithAsync(
            doing,
            async connection =>
            {
                using var find = new NpgsqlCommand(Sql.TableOf, connection);
                find.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
                return await find.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false) is string table
                    ? await action(connection, table).ConfigureAwait(false)
                    : throw new TransportException($"There is no queue '{queue}' on PostgreSQL at {connections.Where}.", TransportError.QueueNotFound);
            },
            cancellationToken);
    }

    private async ValueTask<T> WithAsync<T>(string doing, Func<NpgsqlConnection, Task<T>> action, CancellationToken cancellationToken)
    {
        await schema.EnsureAsync(cancellationToken).ConfigureAwait(false);
        var connection = await connections.OpenAsync(connections.Receive, doing, cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            try
            {
                return await action(connection).ConfigureAwait(false);
            }
            catch (Exception e) when (e is not (TransportException or OperationCanceledException))
            {
                if (PostgresErrors.LacksSchema(e))
                {
                    schema.Forget();
                }

                throw connections.Failed(e, doing);
            }
        }
    }
}
