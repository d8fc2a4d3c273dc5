namespace Postrider.Transports.Pgmq.Tests;

/// <summary>The functions, types and tables of PGMQ 1.5, as its documentation and clients have them.</summary>
public sealed class SqlInterfaceTests(Database database) : IClassFixture<Database>
{
    [Fact]
    public async Task Functions_have_the_signatures_of_pgmq()
    {
        Database.Require();
        await PrepareAsync();
        string[] expected =
        [
            "archive(queue_name text, msg_id bigint) boolean",
            "archive(queue_name text, msg_ids bigint[]) SETOF bigint",
            "convert_archive_partitioned(table_name text, partition_interval text DEFAULT '10000'::text, retention_interval text DEFAULT '100000'::text, leading_partition integer DEFAULT 10) void",
            "create(queue_name text) void",
            "create_non_partitioned(queue_name text) void",
            "create_partitioned(queue_name text, partition_interval text DEFAULT '10000'::text, retention_interval text DEFAULT '100000'::text) void",
            "create_unlogged(queue_name text) void",
            "delete(queue_name text, msg_id bigint) boolean",
            "delete(queue_name text, msg_ids bigint[]) SETOF bigint",
            "detach_archive(queue_name text) void",
            "drop_queue(queue_name text) boolean",
            "drop_queue(queue_name text, partitioned boolean) boolean",
            "format_table_name(queue_name text, prefix text) text",
            "list_queues() SETOF pgmq.queue_record",
            "metrics(queue_name text) pgmq.metrics_result",
            "metrics_all() SETOF pgmq.metrics_result",
            "pop(queue_name text) SETOF pgmq.message_record",
            "purge_queue(queue_name text) bigint",
            "read(queue_name text, vt integer, qty integer, conditional jsonb DEFAULT '{}'::jsonb) SETOF pgmq.message_record",
            "read_with_poll(queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100, conditional jsonb DEFAULT '{}'::jsonb) SETOF pgmq.message_record",
            "send(queue_name text, msg jsonb) SETOF bigint",
            "send(queue_name text, msg jsonb, delay integer) SETOF bigint",
            "send(queue_name text, msg jsonb, delay timestamp with time zone) SETOF bigint",
            "send(queue_name text, msg jsonb, headers jsonb) SETOF bigint",
            "send(queue_name text, msg jsonb, headers jsonb, delay integer) SETOF bigint",
            "send(queue_name text, msg jsonb, headers jsonb, delay timestamp with time zone) SETOF bigint",
            "send_batch(queue_name text, msgs jsonb[]) SETOF bigint",
            "send_batch(queue_name text, msgs jsonb[], delay integer) SETOF bigint",
            "send_batch(queue_name text, msgs jsonb[], delay timestamp with time zone) SETOF bigint",
            "send_batch(queue_name text, msgs jsonb[], headers jsonb[]) SETOF bigint",
            "send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay integer) SETOF bigint",
            "send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay timestamp with time zone) SETOF bigint",
            "set_vt(queue_name text, msg_id bigint, vt integer) SETOF pgmq.message_record",
            "validate_queue_name(queue_name text) void",
        ];

        var actual = await database.SqlAsync(
            """
            select p.proname || '(' || pg_get_function_arguments(p.oid) || ') ' || pg_get_function_result(p.oid)
              from pg_proc p join pg_namespace n on n.oid = p.pronamespace
             where n.nspname = 'pgmq' and p.proname not like '\_%'
            """);
        Assert.Equal(expected.Order(StringComparer.Ordinal), actual.Select(row => (string)row[0]!).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Types_and_tables_have_the_columns_of_pgmq()
    {
        Database.Require();
        await PrepareAsync();
        await database.SqlAsync("select pgmq.create('shape'), pgmq.create('shape'), pgmq.create_unlogged('quick')");
        const string row = "msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, vt timestamp with time zone, message jsonb, headers jsonb";
        Assert.Equal(row, await ColumnsAsync("pgmq.message_record"));
        Assert.Equal(row, await ColumnsAsync("pgmq.q_shape"));
        Assert.Equal(row, await ColumnsAsync("pgmq.q_quick"));
        Assert.Equal(
            "msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, archived_at timestamp with time zone, vt timestamp with time zone, message jsonb, headers jsonb",
            await ColumnsAsync("pgmq.a_shape"));
        const string queue = "queue_name character varying, is_partitioned boolean, is_unlogged boolean, created_at timestamp with time zone";
        Assert.Equal(queue, await ColumnsAsync("pgmq.queue_record"));
        Assert.Equal(queue, await ColumnsAsync("pgmq.meta"));
        Assert.Equal(
            "queue_name text, queue_length bigint, newest_msg_age_sec integer, oldest_msg_age_sec integer, total_messages bigint, scrape_time timestamp with time zone, queue_visible_length bigint",
            await ColumnsAsync("pgmq.metrics_result"));
        Assert.Equal("(quick,f,t)", await database.ScalarAsync<string>("select (queue_name, is_partitioned, is_unlogged)::text from pgmq.list_queues() where queue_name = 'quick'"));
    }

    [Fact]
    public async Task Each_function_does_what_its_documentation_says()
    {
        Database.Require();
        await PrepareAsync();
        await database.SqlAsync("select pgmq.create('work')");

        // Sending: ids in order; every overload.
        Assert.Equal(1L, await database.ScalarAsync<long>("select * from pgmq.send('work', '{\"n\": 1}')"));
        Assert.Equal(2L, await database.ScalarAsync<long>("select * from pgmq.send(queue_name => 'work', msg => '{\"n\": 2}', headers => '{\"h\": 2}'::jsonb)"));
        Assert.Equal(3L, await database.ScalarAsync<long>("select * from pgmq.send('work', '{\"n\": 3}', 3600)"));
        Assert.Equal(4L, await database.ScalarAsync<long>("select * from pgmq.send('work', '{\"n\": 4}', now() + interval '1 hour')"));
        Assert.Equal(5L, await database.ScalarAsync<long>("select * from pgmq.send('work', '{\"n\": 5}', '{}'::jsonb, 3600)"));
        Assert.Equal(6L, await database.ScalarAsync<long>("select * from pgmq.send('work', '{\"n\": 6}', '{}'::jsonb, now())"));
        Assert.Equal([7L, 8L], await ColumnAsync("select * from pgmq.send_batch('work', array['{\"n\": 7}', '{\"n\": 8}']::jsonb[])"));
        Assert.Equal([9L], await ColumnAsync("select * from pgmq.send_batch('work', array['9']::jsonb[], array['{\"h\": 9}']::jsonb[])"));
        Assert.Equal([10L], await ColumnAsync("select * from pgmq.send_batch('work', array['10']::jsonb[], 3600)"));
        Assert.Equal([11L], await ColumnAsync("select * from pgmq.send_batch('work', array['11']::jsonb[], now() + interval '1 hour')"));
        Assert.Equal([12L], await ColumnAsync("select * from pgmq.send_batch('work', array['12']::jsonb[], array['{}']::jsonb[], 3600)"));
        Assert.Equal([13L], await ColumnAsync("select * from pgmq.send_batch('work', array['13']::jsonb[], array['{}']::jsonb[], now() + interval '1 hour')"));
        Assert.Equal([14L], await ColumnAsync("select * from pgmq.send('work', null)"));
        Assert.Equal("(work,14,14,7)", await database.ScalarAsync<string>("select (queue_name, queue_length, total_messages, queue_visible_length)::text from pgmq.metrics('work')"));
        Assert.Contains((object)"work", (await database.SqlAsync("select queue_name from pgmq.metrics_all()")).Select(row => row[0]!));

        // Reading: oldest first, counted, invisible for the time; by condition.
        var read = await database.SqlAsync("select msg_id, read_ct, vt > now() + interval '25 seconds', message->>'n', headers->>'h' from pgmq.read('work', 30, 2)");
        Assert.Equal([1L, 1, true, "1", null], read[0]);
        Assert.Equal([2L, 1, true, "2", "2"], read[1]);
        Assert.Equal([8L], await ColumnAsync("select msg_id from pgmq.read('work', 30, 5, '{\"n\": 8}')"));
        Assert.Equal([6L], await ColumnAsync("select msg_id from pgmq.read_with_poll('work', 30, 1)"));
        Assert.Equal([7L], await ColumnAsync("select msg_id from pgmq.read_with_poll('work', 30, 1, 1, 10, '{\"n\": 7}')"));
        Assert.Empty(await ColumnAsync("select msg_id from pgmq.read_with_poll('work', 30, 1, 1, 10, '{\"n\": 7}')"));
        Assert.Equal([9L], await ColumnAsync("select msg_id from pgmq.pop('work')"));
        Assert.Equal([14L], await ColumnAsync("select msg_id from pgmq.pop('work')"));
        Assert.Empty(await ColumnAsync("select msg_id from pgmq.pop('work')"));
        Assert.Equal([1L], await ColumnAsync("select msg_id from pgmq.set_vt('work', 1, 0)"));
        Assert.Equal([1L], await ColumnAsync("select msg_id from pgmq.read('work', 30, 10)"));
        Assert.Equal(2, await database.ScalarAsync<int>("select read_ct from pgmq.q_work where msg_id = 1"));

        // Done: each of the four forms, and what is not there.
        Assert.True(await database.ScalarAsync<bool>("select pgmq.delete('work', 1)"));
        Assert.False(await database.ScalarAsync<bool>("select pgmq.delete('work', 1)"));
        Assert.Equal([3L], await ColumnAsync("select * from pgmq.delete('work', array[1, 3, 99])"));
        Assert.True(await database.ScalarAsync<bool>("select pgmq.archive('work', 2)"));
        Assert.False(await database.ScalarAsync<bool>("select pgmq.archive('work', 2)"));
        Assert.Equal([4L, 5L], await ColumnAsync("select * from pgmq.archive('work', array[4, 5, 99]) order by 1"));
        Assert.Equal(
            [(2L, "{\"n\": 2}", "{\"h\": 2}"), (4L, "{\"n\": 4}", null), (5L, "{\"n\": 5}", "{}")],
            (await database.SqlAsync("select msg_id, message::text, headers::text from pgmq.a_work where archived_at <= now() order by 1"))
                .Select(r => ((long)r[0]!, (string)r[1]!, (string?)r[2])));

        Assert.Equal(7L, await database.ScalarAsync<long>("select pgmq.purge_queue('work')"));
        Assert.Equal("(work,0,,,14)", await database.ScalarAsync<string>("select (queue_name, queue_length, newest_msg_age_sec, oldest_msg_age_sec, total_messages)::text from pgmq.metrics('work')"));
        Assert.True(await database.ScalarAsync<bool>("select pgmq.drop_queue('work')"));
        Assert.Empty(await database.SqlAsync("select 1 from pgmq.list_queues() where queue_name = 'work'"));
        Assert.True(await database.ScalarAsync<bool>("select to_regclass('pgmq.q_work') is null and to_regclass('pgmq.a_work') is null"));
        await database.SqlAsync("select pgmq.create('kept'), pgmq.detach_archive('kept')");
    }

    private async Task<IEnumerable<object?>> ColumnAsync(string sql) => (await database.SqlAsync(sql)).Select(row => row[0]);

    private Task<string> ColumnsAsync(string relation) => database.ScalarAsync<string>(
        $"select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attnum) from pg_attribute where attrelid = '{relation}'::regclass and attnum > 0");

    private async Task PrepareAsync()
    {
        await using var transport = database.Transport();
        await transport.DeclareAsync("prepared");
        // A server may have the extension itself, which is what these tests hold our schema to.
        var extension = (await database.SqlAsync("select extversion from pg_extension where extname = 'pgmq'")).Select(row => (string)row[0]!).FirstOrDefault();
        Assert.SkipWhen(extension is not null && !extension.StartsWith("1.5", StringComparison.Ordinal), $"the server has pgmq {extension}, not 1.5");
    }
}
