using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>Preparing the database. Each test has a database of its own.</summary>
public sealed class SchemaTests : IAsyncLifetime
{
    private readonly Database _database = new();

    public ValueTask InitializeAsync() => _database.InitializeAsync();

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    [Fact]
    public async Task Thirty_two_that_start_at_once_prepare_and_declare_once()
    {
        Database.Require();
        var transports = Enumerable.Range(0, 32).Select(_ => new PgmqTransport(_database.Options with { ReceiveConnections = 1, PublishConnections = 1 })).ToArray();
        await Task.WhenAll(transports.Select(transport =>
            Task.Run(async () => await transport.DeclareAsync(new Topology(["a", "b"], [new("x.#", "a"), new("x", "b")]), Database.Deadline))));

        Assert.Equal(1L, await _database.ScalarAsync<long>("select count(*) from postrider.components where name = 'pgmq'"));
        Assert.Equal(4L, await _database.ScalarAsync<long>("select count(*) from pgmq.list_queues()"));
        Assert.Equal(2L, await _database.ScalarAsync<long>("select count(*) from postrider.bindings"));
        foreach (var transport in transports)
        {
            await transport.DisposeAsync();
        }
    }

    [Fact]
    public async Task Foreign_clients_that_create_the_same_queues_at_once_do_no_harm()
    {
        Database.Require();
        await using var transport = _database.Transport();
        await transport.DeclareAsync("first");
        var extension = await _database.ScalarAsync<bool>("select exists (select from pg_extension where extname = 'pgmq')");
        for (var i = 0; i < 10; i++)
        {
            var foreign = Enumerable.Range(0, 4).Select(_ => CreateAsync($"race_{i}"));
            var ours = Enumerable.Range(0, 4).Select(_ => transport.DeclareAsync($"race.{i}").AsTask());
            await Task.WhenAll([.. foreign, .. ours]);
        }

        async Task CreateAsync(string queue)
        {
            try
            {
                await _database.SqlAsync($"select pgmq.create('{queue}')");
            }
            catch (Npgsql.PostgresException e) when (extension
                && e.SqlState is Npgsql.PostgresErrorCodes.UniqueViolation or Npgsql.PostgresErrorCodes.DuplicateTable)
            {
                // The extension before 1.6 does not guard against itself. Ours must succeed all the same.
            }
        }
    }

    [Fact]
    public async Task Queues_of_a_newer_pgmq_with_more_columns_work()
    {
        Database.Require();
        await using var transport = new PgmqTransport(_database.Options with { Archive = true });
        await transport.DeclareAsync("first");
        foreach (var name in (string[])["newer", "newer_dlq"])
        {
            // As of 1.10: last_read_at, in the middle.
            await _database.SqlAsync(
                $"""
                create table pgmq.q_{name} (msg_id bigint primary key generated always as identity, read_ct integer not null default 0,
                    enqueued_at timestamptz not null default now(), last_read_at timestamptz, vt timestamptz not null, message jsonb, headers jsonb);
                create table pgmq.a_{name} (msg_id bigint primary key, read_ct integer not null default 0, enqueued_at timestamptz not null default now(),
                    last_read_at timestamptz, archived_at timestamptz not null default now(), vt timestamptz not null, message jsonb, headers jsonb);
                create index on pgmq.q_{name} (vt)
                """);
        }

        await transport.DeclareAsync("newer");
        await transport.SendAsync("newer", Database.Message("1", "a"), Database.Message("2", "b"), Database.Message("3", "c"));
        await using var receiver = await transport.OpenAsync("newer");
        var got = await receiver.ReceiveAsync(10, Database.Deadline);
        var results = await receiver.SettleAsync(
            Settlement.Ack(got[0]), Settlement.Retry(got[1], TimeSpan.Zero),
            Settlement.DeadLetter(got[2], new DeadLetterInfo { Reason = DeadLetterReason.Rejected, Queue = "newer" }));
        Assert.All(results, result => Assert.Equal(SettleStatus.Settled, result.Status));
        Assert.Equal("b", (await receiver.OneAsync()).Envelope.Id);
        await using var dead = await transport.OpenAsync("newer.dlq");
        Assert.Equal("c", (await dead.OneAsync()).Envelope.Id);
        Assert.Equal(1L, await _database.ScalarAsync<long>("select count(*) from pgmq.a_newer where headers->>'ce-id' = 'a'"));
    }

    [Fact]
    public async Task A_schema_of_version_2_is_upgraded_with_its_queues_and_serves_programs_that_know_no_more()
    {
        Database.Require();
        const string Publish = "select (postrider.publish('{true}', '{t.x}', array['2']::jsonb[], array['{}']::jsonb[], '{0}'))[1]";
        await _database.SqlAsync("create schema postrider; create table postrider.components (name text primary key, version integer not null, installed_at timestamptz not null default now())");
        foreach (var script in (string[])["pgmq-1", "postrider-1", "postrider-2"])
        {
            await _database.SqlAsync(SchemaMigration.Script(script));
        }

        await _database.SqlAsync(
            """
            create function postrider.publish(topics boolean[], names text[], bodies jsonb[], headers jsonb[], delays bigint[]) returns integer[] language sql as 'select array[7]';
            insert into postrider.components values ('pgmq', 2)
            """);
        await _database.SqlAsync("select postrider.declare('{a.b,a.b.dlq}', '{a_b,a_b_dlq}', '{t.*}', '{a.b}', array['^\\.t\\.[^.]+$'], '{.t}')");
        await _database.SqlAsync("select pgmq.send('a_b', '1')");
        Assert.Equal(7, await _database.ScalarAsync<int>(Publish));

        await using var transport = _database.Transport();
        await transport.DeclareAsync(new Topology(["a.b"], [], ["a.b"]), Database.Deadline);

        Assert.Equal(SchemaMigration.Version, await _database.ScalarAsync<int>("select version from postrider.components"));
        OutgoingMessage message = new(Destination.Topic("t.x"), Database.Message("3", "id"));
        Assert.Equal(
            [PublishStatus.Stored, PublishStatus.Duplicate],
            [Assert.Single(await transport.PublishAsync(message)).Status, Assert.Single(await transport.PublishAsync(message)).Status]);
        Assert.Equal(1, await _database.ScalarAsync<int>(Publish));
        await using var receiver = await transport.OpenAsync("a.b");
        Assert.Equal(["1", "3", "2"], (await receiver.ReceiveAsync(10, Database.Deadline)).Select(static one => one.Text()));
    }

    [Fact]
    public async Task A_newer_schema_is_refused()
    {
        Database.Require();
        await using (var transport = _database.Transport())
        {
            await transport.DeclareAsync("a");
        }

        await _database.SqlAsync("update postrider.components set version = 99");
        await using var old = _database.Transport();
        var error = await Assert.ThrowsAsync<TransportException>(async () => await old.DeclareAsync("b"));
        Assert.Equal(TransportError.SchemaMismatch, error.Reason);
        Assert.Contains("99", error.Message, StringComparison.Ordinal);
        var result = Assert.Single(await old.SendAsync("a", Database.Message("1")));
        Assert.Equal(PublishStatus.NotSent, result.Status);
        Assert.Equal(TransportError.SchemaMismatch, Assert.IsType<TransportException>(result.Error).Reason);
    }

    [Fact]
    public async Task Without_permission_to_create_it_says_what_is_missing_and_makes_nothing()
    {
        Database.Require();
        await using var transport = new PgmqTransport(_database.Options with { CreateSchema = false });
        var error = await Assert.ThrowsAsync<TransportException>(async () => await transport.DeclareAsync("a"));
        Assert.Equal(TransportError.SchemaMismatch, error.Reason);
        Assert.Contains("CreateSchema = true", error.Message, StringComparison.Ordinal);
        Assert.Equal(0L, await _database.ScalarAsync<long>("select count(*) from pg_namespace where nspname in ('pgmq', 'postrider')"));
    }

    [Fact]
    public async Task An_old_pgmq_is_refused()
    {
        Database.Require();
        await _database.SqlAsync("create schema pgmq; create table pgmq.meta (queue_name varchar)");
        await using var transport = _database.Transport();
        var error = await Assert.ThrowsAsync<TransportException>(async () => await transport.DeclareAsync("a"));
        Assert.Equal(TransportError.SchemaMismatch, error.Reason);
        Assert.Contains("1.5", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_interrupted_migration_leaves_nothing_and_is_made_up_for()
    {
        Database.Require();
        // Something in the way of the last object of the script.
        await _database.SqlAsync("create schema postrider; create function postrider.give_priorities(names text[]) returns integer language sql as 'select 1'");
        await using var transport = _database.Transport();
        await Assert.ThrowsAsync<TransportException>(async () => await transport.DeclareAsync("a"));
        Assert.Equal(0L, await _database.ScalarAsync<long>("select count(*) from pg_namespace where nspname = 'pgmq'"));

        await _database.SqlAsync("drop schema postrider cascade");
        await transport.DeclareAsync("a");
    }

    [Fact]
    public async Task Queues_that_would_share_a_table_are_refused_by_both_names()
    {
        Database.Require();
        await using var transport = _database.Transport();
        await transport.DeclareAsync("a.b-c");
        foreach (var name in (string[])["a.b.c", "a_b_c"])
        {
            var error = await Assert.ThrowsAsync<TransportException>(async () => await transport.DeclareAsync(name));
            Assert.Equal(TransportError.TopologyMismatch, error.Reason);
            Assert.Contains($"'{name}'", error.Message, StringComparison.Ordinal);
            Assert.Contains("'a.b-c'", error.Message, StringComparison.Ordinal);
        }

        Assert.Equal(TransportError.TopologyMismatch, (await Assert.ThrowsAsync<TransportException>(async () => await transport.DeclareAsync("a_b_c_dlq"))).Reason);
        await Assert.ThrowsAsync<MessagingConfigurationException>(async () => await transport.DeclareAsync("x.y", "x-y"));
        await transport.DeclareAsync("a.b-c");
    }

    [Fact]
    public async Task Declaring_takes_a_queue_that_another_client_made_with_its_messages()
    {
        Database.Require();
        await using var transport = _database.Transport();
        await transport.DeclareAsync("first");
        await _database.SqlAsync("select pgmq.create('made_before'), pgmq.send('made_before', '1')");
        await transport.DeclareAsync("made.before");
        await using var receiver = await transport.OpenAsync("made.before");
        Assert.Equal("1", (await receiver.OneAsync()).Text());
    }

    [Fact]
    public async Task A_database_that_is_made_anew_is_prepared_anew()
    {
        Database.Require();
        await using var transport = _database.Transport();
        await transport.DeclareAsync("a");
        await _database.SqlAsync("drop schema postrider cascade; drop schema pgmq cascade");
        Assert.Equal(PublishStatus.NotSent, Assert.Single(await transport.SendAsync("a", Database.Message("1"))).Status);
        Assert.Equal(PublishStatus.Unroutable, Assert.Single(await transport.SendAsync("a", Database.Message("1"))).Status);
        await transport.DeclareAsync("a");
        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.SendAsync("a", Database.Message("1"))).Status);
    }
}
