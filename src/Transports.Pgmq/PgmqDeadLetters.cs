using System.Globalization;
using Npgsql;
using Postrider.Core.Transport;
using Postrider.Persistence.Postgres;

namespace Postrider.Transports.Pgmq;

/// <summary>Looks into queues, dead letters by the rows' ids. Rows that somebody has in hand are shown too.</summary>
internal sealed class PgmqDeadLetters(Connections connections, SchemaMigration schema)
{
    public ValueTask<long> CountAsync(string queue, CancellationToken cancellationToken) => WithAsync(
        queue, "count",
        (connection, table) => CountAsync(connection, table, cancellationToken),
        cancellationToken);

    /// <summary>What the queue itself has: a row stays in its table until it is settled.</summary>
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

    public ValueTask<IReadOnlyList<StoredDeadLetter>> ListAsync(string queue, long after, int max, CancellationToken cancellationToken) => WithAsync(
        queue, "list",
        async (connection, table) =>
        {
            var found = new List<StoredDeadLetter>();
            var envelopes = new EnvelopeReader(table);
            using var command = new NpgsqlCommand(Sql.Browse(table), connection);
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = after });
            command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = max });
            var rows = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (rows.ConfigureAwait(false))
            {
                while (await rows.ReadAsync(cancellationToken).ConfigureAwait(false))
                {
                    var id = rows.GetInt64(0);
                    var message = rows.IsDBNull(1) ? null : rows.GetFieldValue<byte[]>(1);
                    var headers = rows.IsDBNull(2) ? null : rows.GetFieldValue<byte[]>(2);
                    found.Add(new(id.ToString(CultureInfo.InvariantCulture), envelopes.Read(id, message, headers, out _, out _)));
                }
            }

            return (IReadOnlyList<StoredDeadLetter>)found;
        },
        cancellationToken);

    public ValueTask<bool> DeleteAsync(string queue, long id, CancellationToken cancellationToken) => WithAsync(
        queue, "delete",
        async (connection, table) =>
        {
            using var command = new NpgsqlCommand(Sql.Delete(table), connection);
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = id });
            return await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false) > 0;
        },
        cancellationToken);

    private static async Task<long> CountAsync(NpgsqlConnection connection, string table, CancellationToken cancellationToken)
    {
        using var command = new NpgsqlCommand(Sql.Count(table), connection);
        return (long)(await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!;
    }

    private ValueTask<T> WithAsync<T>(string queue, string what, Func<NpgsqlConnection, string, Task<T>> action, CancellationToken cancellationToken) =>
        WithAsync(queue, Names.DeadLetterQueue(queue), $"{what} dead letters of '{queue}'", action, cancellationToken);

    private async ValueTask<T> WithAsync<T>(
        string queue, string name, string doing, Func<NpgsqlConnection, string, Task<T>> action, CancellationToken cancellationToken)
    {
        _ = TableName.Of(name);
        await schema.EnsureAsync(cancellationToken).ConfigureAwait(false);
        var connection = await connections.OpenAsync(connections.Receive, doing, cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            try
            {
                using var find = new NpgsqlCommand(Sql.TableOf, connection);
                find.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
                return await find.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false) is string table
                    ? await action(connection, table).ConfigureAwait(false)
                    : throw new TransportException($"There is no queue '{queue}' on PostgreSQL at {connections.Where}.", TransportError.QueueNotFound);
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
