using System.Data;
using Npgsql;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>Another session holds a snapshot, so that deleted rows cannot be vacuumed away.</summary>
public sealed class SnapshotTests(Database database) : IClassFixture<Database>
{
    private const int Dead = 400_000;
    private const int Messages = 30;

    [Fact]
    public async Task Dead_rows_are_passed_by_and_late_ones_found()
    {
        Database.Require();
        var queue = Database.NewQueue();
        var table = $"q_{TableName.Of(queue)}";
        await using (var transport = database.Transport())
        {
            await transport.DeclareAsync(queue);
            await using var connection = new NpgsqlConnection(database.ConnectionString);
            await connection.OpenAsync(Database.Deadline);
            await using var snapshot = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, Database.Deadline);
            await using var look = new NpgsqlCommand("select 1", connection, snapshot);
            await look.ExecuteScalarAsync(Database.Deadline);
            await database.SqlAsync($"insert into pgmq.{table} (vt, message) select now() - interval '1 hour', 'null' from generate_series(1, {Dead})");
            await database.SqlAsync($"delete from pgmq.{table}");

            await using var receiver = await transport.OpenAsync(queue);
            for (var i = 0; i < Messages; i++)
            {
                await transport.SendAsync(queue, Database.Message($"{i}"));
                Assert.Equal($"{i}", (await receiver.OneAsync()).Text());
            }

            // As if it had been committed only now.
            await database.SqlAsync($"insert into pgmq.{table} (vt, message) values (now() - interval '30 minutes', '\"late\"')");
            Assert.Equal("\"late\"", (await receiver.OneAsync()).Text());
        }

        // Sessions report what they read when they end.
        Assert.InRange(await database.ScalarAsync<long>($"select idx_tup_read from pg_stat_user_indexes where indexrelname = '{table}_vt_idx'"), 0, Dead * Messages / 2);
    }
}
