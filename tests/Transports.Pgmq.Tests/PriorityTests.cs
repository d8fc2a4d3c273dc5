using Npgsql;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>Levels in one table: for other clients, in large claims, and what they cost.</summary>
public sealed class PriorityTests(Database database) : IClassFixture<Database>, IAsyncLifetime
{
    private readonly string _queue = Database.NewQueue();
    private PgmqTransport _transport = null!;

    private string Table => "q_" + TableName.Of(_queue);

    public async ValueTask InitializeAsync()
    {
        Database.Require();
        _transport = database.Transport();
        await _transport.DeclareAsync(_queue);
        await database.SqlAsync($"select pgmq.send('{TableName.Of(_queue)}', '0')");
        await _transport.DeclareAsync(new Topology([_queue], [], [_queue]), Database.Deadline);
    }

    public ValueTask DisposeAsync() => _transport?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task Other_clients_see_one_queue_and_what_they_send_is_of_the_default_level()
    {
        await _transport.SendAsync(_queue, OfLevels(3, 5));
        await database.SqlAsync($$"""select pgmq.send('{{TableName.Of(_queue)}}', '6', '{"x-postrider-priority": 6}'::jsonb)""");

        await using (var receiver = await OpenAsync(oneIn: 0))
        {
            var got = await receiver.ReceiveAsync(10, Database.Deadline);
            Assert.Equal(["6", "5", "0", "3"], got.Select(static one => one.Text()));
            await receiver.SettleAsync([.. got.Select(Settlement.Release)]);
        }

        Assert.Equal(["0", "3", "5", "6"], (await database.SqlAsync($"select message::text from pgmq.read('{TableName.Of(_queue)}', 30, 10)")).Select(static row => row[0]));
    }

    [Theory]
    [InlineData("null", 4)]
    [InlineData("'5'", 4)]
    [InlineData("'[9]'", 4)]
    [InlineData("'{\"x-postrider-priority\": 9}'", 9)]
    [InlineData("'{\"x-postrider-priority\": \"0\"}'", 0)]
    [InlineData("'{\"x-postrider-priority\": -7}'", 0)]
    [InlineData("'{\"x-postrider-priority\": 10}'", 9)]
    [InlineData("'{\"x-postrider-priority\": 999999999}'", 9)]
    [InlineData("'{\"x-postrider-priority\": 1000000000}'", 4)]
    [InlineData("'{\"x-postrider-priority\": 1e400}'", 4)]
    [InlineData("'{\"x-postrider-priority\": 9.0}'", 4)]
    [InlineData("'{\"x-postrider-priority\": \"+9\"}'", 4)]
    [InlineData("'{\"x-postrider-priority\": \" 9\"}'", 4)]
    [InlineData("'{\"x-postrider-priority\": \"9\\n\"}'", 4)]
    [InlineData("'{\"x-postrider-priority\": \"\\u0669\"}'", 4)]
    [InlineData("'{\"x-postrider-priority\": \"\"}'", 4)]
    [InlineData("'{\"x-postrider-priority\": \"-\"}'", 4)]
    [InlineData("'{\"x-postrider-priority\": null}'", 4)]
    [InlineData("'{\"x-postrider-priority\": {\"a\": [9]}}'", 4)]
    public async Task Headers_of_any_shape_have_the_same_level_here_and_there(string headers, int level)
    {
        await database.SqlAsync($"delete from pgmq.{Table}; insert into pgmq.{Table} (vt, message, headers) values (now(), '1', {headers}::jsonb)");

        Assert.Equal(level, await database.ScalarAsync<int>($"select postrider.level(headers) from pgmq.{Table}"));
        await using var receiver = await OpenAsync();
        Assert.Equal(level, Priorities.LevelOf((await receiver.OneAsync()).Envelope));
    }

    [Fact]
    public async Task One_at_a_time_the_turns_are_those_of_the_rule()
    {
        await _transport.SendAsync(_queue, OfLevels([.. Enumerable.Repeat(9, 40), .. Enumerable.Repeat(5, 20), .. Enumerable.Repeat(2, 20)]));
        await using var receiver = await OpenAsync(oneIn: 3);
        var turns = new PriorityTurns(3);
        for (var i = 0; i < 24; i++)
        {
            // One of level 4 is there from the beginning.
            var waiting = (1 << 9) | (1 << 5) | (1 << 2) | (i < 6 ? 1 << 4 : 0);
            Assert.Equal(turns.Next(waiting), Priorities.LevelOf((await receiver.OneAsync()).Envelope));
        }
    }

    [Fact]
    public async Task Claims_of_any_size_leave_lower_levels_their_share()
    {
        await _transport.SendAsync(_queue, OfLevels([.. Enumerable.Repeat(9, 300), .. Enumerable.Repeat(5, 40), .. Enumerable.Repeat(2, 40)]));
        await using var receiver = await OpenAsync(oneIn: 10);
        var taken = new List<int>();
        foreach (var size in (int[])[1, 7, 40, 3, 64, 25, 9, 11, 40])
        {
            var got = await receiver.ReceiveAsync(size, Database.Deadline);
            Assert.Equal(size, got.Count);
            taken.AddRange(got.Select(static one => Priorities.LevelOf(one.Envelope)));
        }

        Assert.Equal(Enumerable.Range(0, 20).Select(static i => (i * 10) + 9), taken.Index().Where(static one => one.Item != 9).Select(static one => one.Index));
        Assert.Equal([9, 5, 4, 2], taken.Distinct().OrderDescending());
    }

    [Fact]
    public async Task A_claim_takes_from_level_after_level_until_it_is_full_each_in_its_order()
    {
        var sent = OfLevels(1, 9, 1, 8, 9, 0, 8, 3);
        await _transport.SendAsync(_queue, sent);
        await using var receiver = await OpenAsync(oneIn: 100);

        var first = await receiver.ReceiveAsync(3, Database.Deadline);
        var rest = await receiver.ReceiveAsync(100, Database.Deadline);

        Assert.Equal(
            sent.Where(static one => one.Priority > 4).OrderByDescending(static one => one.Priority).Select(static one => one.Id),
            first.Concat(rest).Take(4).Select(static one => one.Envelope.Id));
        Assert.Equal(
            sent.Where(static one => one.Priority < 4).OrderByDescending(static one => one.Priority).Select(static one => one.Id),
            rest.Skip(2).Select(static one => one.Envelope.Id));
    }

    [Fact]
    public async Task A_claim_is_full_if_there_is_enough()
    {
        await _transport.SendAsync(_queue, OfLevels(9, 8, 7, 9, 8, 7, 3));
        await using var receiver = await OpenAsync(oneIn: 2);

        Assert.Equal(8, (await receiver.ReceiveAsync(8, Database.Deadline)).Select(static one => one.Envelope.Id).Distinct().Count());
    }

    [Fact]
    public async Task What_another_claims_at_the_same_time_is_passed_over()
    {
        await _transport.SendAsync(_queue, OfLevels(9, 9, 8));
        await using var connection = new NpgsqlConnection(database.ConnectionString);
        await connection.OpenAsync(Database.Deadline);
        await using var transaction = await connection.BeginTransactionAsync(Database.Deadline);
        await using (var claim = new NpgsqlCommand($"select from pgmq.{Table} where postrider.level(headers) = 9 order by vt limit 1 for update", connection))
        {
            await claim.ExecuteNonQueryAsync(Database.Deadline);
        }

        await using var receiver = await OpenAsync(oneIn: 0);

        Assert.Equal([9, 8, 4], (await receiver.ReceiveAsync(10, Database.Deadline)).Select(static one => Priorities.LevelOf(one.Envelope)));
    }

    [Fact]
    public async Task Delayed_rows_cost_nothing_and_all_is_found_by_the_index_of_levels()
    {
        const int Messages = 30;
        await database.SqlAsync(
            $"insert into pgmq.{Table} (vt, message, headers) select now() + interval '1 hour', '1', jsonb_build_object('x-postrider-priority', i % 10) from generate_series(1, 100000) i");
        await _transport.SendAsync(_queue, OfLevels([.. Enumerable.Range(0, Messages - 1).Select(static i => i % 10)]));
        await using (var receiver = await OpenAsync(oneIn: 3))
        {
            for (var i = 0; i < Messages; i++)
            {
                await receiver.OneAsync();
            }
        }

        // Sessions report what they read when they end.
        await _transport.DisposeAsync();
        // Of what was claimed before, old entries are passed again, until nobody can see them.
        Assert.InRange(await ReadAsync("level_idx"), Messages, Messages * Messages);
        Assert.InRange(await ReadAsync("vt_idx"), 0, Messages);

        Task<long> ReadAsync(string index) => database.ScalarAsync<long>($"select idx_tup_read from pg_stat_user_indexes where indexrelname = '{Table}_{index}'");
    }

    [Fact]
    public async Task Only_the_queue_itself_has_levels_and_of_all_in_a_topology_those_that_ask()
    {
        var other = Database.NewQueue();
        await _transport.DeclareAsync(new Topology([_queue, other], [], [_queue]), Database.Deadline);

        Assert.Equal([Table + "_level_idx"], (await database.SqlAsync(
            $"select indexname from pg_indexes where indexname like '%_level_idx' and tablename in ('{Table}', '{Table}_dlq', 'q_{TableName.Of(other)}')")).Select(static row => row[0]));
    }

    private ValueTask<IReceiver> OpenAsync(int oneIn = 10) =>
        _transport.OpenReceiverAsync(new ReceiverOptions { Queue = _queue, LowerPriorityOneIn = oneIn }, Database.Deadline);

    /// <summary>Whose body is their level.</summary>
    private static Envelope[] OfLevels(params int[] levels) => [.. levels.Select(static level => Database.Message($"{level}") with { Priority = level })];
}
