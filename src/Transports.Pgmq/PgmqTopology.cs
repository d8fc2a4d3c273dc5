using Npgsql;
using NpgsqlTypes;
using Postrider.Core.Transport;
using Postrider.Persistence.Postgres;

namespace Postrider.Transports.Pgmq;

/// <summary>Makes queues and bindings exist, in one transaction.</summary>
internal sealed class PgmqTopology(Connections connections, SchemaMigration schema)
{
    private const int Attempts = 5;

    public async ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken)
    {
        var names = new List<string>(topology.Queues.Count * 2);
        foreach (var queue in topology.Queues)
        {
            names.AddRange(queue, Names.DeadLetterQueue(queue));
        }

        var tables = names.ConvertAll(TableName.Of);

        for (var attempt = 1; ; attempt++)
        {
            await schema.EnsureAsync(cancellationToken).ConfigureAwait(false);
            var connection = await connections.OpenAsync(connections.Receive, "declare queues", cancellationToken).ConfigureAwait(false);
            await using (connection.ConfigureAwait(false))
            {
                try
                {
                    await ExecuteAsync(connection, names, tables, topology, cancellationToken).ConfigureAwait(false);
                    return;
                }
                catch (PostgresException e) when (attempt < Attempts && (PostgresErrors.LacksSchema(e)
                    || e.SqlState is PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.DuplicateTable or PostgresErrorCodes.DuplicateObject))
                {
                    // The schema has vanished, or another client made the same queue at the same time, which old PGMQ does not guard.
                    if (PostgresErrors.LacksSchema(e))
                    {
                        schema.Forget();
                    }
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    throw connections.Failed(e, "declare queues");
                }
            }
        }
    }

    private static async Task ExecuteAsync(
        NpgsqlConnection connection, List<string> names, List<string> tables, Topology topology, CancellationToken cancellationToken)
    {
        var bindings = topology.Bindings;
        var (patterns, queues) = (new string[bindings.Count], new string[bindings.Count]);
        var (expressions, prefixes) = (new string?[bindings.Count], new string?[bindings.Count]);
        for (var i = 0; i < bindings.Count; i++)
        {
            (patterns[i], queues[i]) = (bindings[i].Pattern, bindings[i].Queue);
            (expressions[i], prefixes[i]) = TableName.Match(bindings[i].Pattern);
        }

        var batch = new NpgsqlBatch(connection) { Timeout = 120 };
        await using (batch.ConfigureAwait(false))
        {
            batch.BatchCommands.Add(Command(Sql.Declare, [.. names], [.. tables], patterns, queues, expressions, prefixes));
            if (topology.PriorityQueues.Count > 0)
            {
                batch.BatchCommands.Add(Command(Sql.GivePriorities, [.. topology.PriorityQueues]));
            }

            await batch.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static NpgsqlBatchCommand Command(string sql, params ReadOnlySpan<string?[]> lists)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var list in lists)
        {
            command.Parameters.Add(Texts(list));
        }

        return command;
    }

    private static NpgsqlParameter<string?[]> Texts(string?[] values) =>
        new() { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };
}
