using Postrider.Core.Transport;
using Postrider.Persistence.Postgres;

namespace Postrider.Transports.Pgmq.Tests.State;

/// <summary>The table of the state store: made once, by whoever may.</summary>
public sealed class StateSchemaTests : StateTests
{
    [Fact]
    public async Task Many_that_start_at_once_create_it_once_beside_the_queues()
    {
        Database.Require();
        var stores = Enumerable.Range(0, 24).Select(_ => new PostgresStateStore(Options with { Connections = 1 })).ToArray();
        await using var transport = new PgmqTransport(Database.Options with { ReceiveConnections = 1, PublishConnections = 1 });
        await Task.WhenAll([
            Task.Run(async () => await transport.DeclareAsync(new Topology(["a"], []), Deadline)),
            .. stores.Select((store, i) => Task.Run(() => PutAsync(store, $"k.{i}")))]);

        Assert.Equal(24, (await stores[0].ListAsync("k", Deadline)).Count);
        Assert.Equal([["pgmq", SchemaMigration.Version], ["state", StateSchema.Version]], await Database.SqlAsync("select name, version from postrider.components order by name"));
        await Task.WhenAll(stores.Select(static store => store.DisposeAsync().AsTask()));
    }

    [Fact]
    public async Task A_role_that_may_not_create_it_is_told_what_to_run_and_then_needs_no_more()
    {
        Database.Require();
        var (role, options) = await NewRoleAsync();
        try
        {
            await using var store = new PostgresStateStore(options);
            var error = await FailsAsync(store, isTransient: false);
            Assert.Contains("may not create it (permission denied", error.Message, StringComparison.Ordinal);

            // What is told is run as it is, and once more, which does no harm.
            var script = error.Message[error.Message.IndexOf("do $$", StringComparison.Ordinal)..];
            Assert.Equal(4, script.Split("-- grant ").Length - 1);
            await Database.SqlAsync(script);
            await Database.SqlAsync(script.Replace("-- grant", "grant", StringComparison.Ordinal).Replace("...", role, StringComparison.Ordinal));

            var revision = await PutAsync(store, "a.b");
            Assert.Single(await store.ListAsync("a", Deadline));
            Assert.True(await store.DeleteAsync("a.b", revision, Deadline));
            await using var creating = new PostgresStateStore(options with { CreateTable = true });
            Assert.Null(await creating.GetAsync("a.b", Deadline));
        }
        finally
        {
            await DropRoleAsync(role);
        }
    }

    [Fact]
    public async Task Nothing_is_created_where_that_is_not_wanted()
    {
        Database.Require();
        await using var store = new PostgresStateStore(Options with { CreateTable = false });
        var error = await FailsAsync(store, isTransient: false);
        Assert.Contains("CreateTable is false", error.Message, StringComparison.Ordinal);
        Assert.Contains("create table if not exists postrider.state", error.Message, StringComparison.Ordinal);
        Assert.Equal(0L, await Database.ScalarAsync<long>("select count(*) from pg_namespace where nspname = 'postrider'"));
    }

    [Fact]
    public async Task A_newer_one_is_refused()
    {
        Database.Require();
        await using (var store = Store())
        {
            await PutAsync(store, "a");
        }

        await Database.SqlAsync("update postrider.components set version = 99 where name = 'state'");
        await using var old = Store();
        Assert.Contains("version 99", (await FailsAsync(old, isTransient: false)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_table_that_was_dropped_is_made_anew_and_revisions_go_on()
    {
        Database.Require();
        await using var store = Store();
        var last = await PutAsync(store, "a");
        await Database.SqlAsync("drop table postrider.state");

        Assert.Null(await store.GetAsync("a", Deadline));
        Assert.True(await PutAsync(store, "a") > last);
    }

    [Fact]
    public async Task A_list_is_a_range_of_the_primary_key()
    {
        Database.Require();
        await using var store = Store();
        await PutAsync(store, "a.b");
        await Database.SqlAsync("insert into postrider.state select 'k' || i || '.x', '', i, null from generate_series(1, 20000) i; analyze postrider.state");

        var plan = await Database.SqlAsync($"explain {StateSql.List.Replace("$1", "'k1.'", StringComparison.Ordinal).Replace("$2", "'k1/'", StringComparison.Ordinal)}");

        Assert.Contains(plan, static line => $"{line[0]}".Contains("Index Cond: ((key > 'k1.'::text) AND (key < 'k1/'::text))", StringComparison.Ordinal));
    }
}
