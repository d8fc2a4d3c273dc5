using System.Net;
using System.Net.Sockets;
using System.Transactions;
using Npgsql;
using Postrider.Brokers;
using Postrider.Core.State;
using Postrider.Persistence.Postgres;

namespace Postrider.Transports.Pgmq.Tests.State;

/// <summary>What is PostgreSQL's own of the state store, beside what every store must do.</summary>
public sealed class PostgresStateTests : StateTests
{
    [Fact]
    public async Task An_underscore_is_itself()
    {
        Database.Require();
        await using var store = Store();
        foreach (var key in (string[])["a_b.k", "axb.k", "a-b.k", "A_B.k", "a_b.k_1.x", "a_bc.k"])
        {
            await PutAsync(store, key);
        }

        Assert.Equal(["a_b.k", "a_b.k_1.x"], (await store.ListAsync("a_b", Deadline)).Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["a_b.k_1.x"], (await store.ListAsync("a_b.k_1", Deadline)).Keys);
    }

    [Fact]
    public async Task A_put_draws_its_revision_after_all_before_it()
    {
        Database.Require();
        await using var store = Store();
        var first = await PutAsync(store, "a");
        await using var other = new NpgsqlConnection(Database.ConnectionString);
        await other.OpenAsync(Deadline);
        await using var transaction = await other.BeginTransactionAsync(Deadline);
        var second = await ReplaceAsync(first);
        var waiting = PutAsync(store, "a");
        await UntilAsync(async () => await Database.ScalarAsync<bool>("select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())"));

        // Another revision, and nothing is left of it.
        var last = await ReplaceAsync(second);
        await using (var delete = new NpgsqlCommand(StateSql.Delete, other) { Parameters = { new() { Value = "a" }, new() { Value = last } } })
        {
            await delete.ExecuteNonQueryAsync(Deadline);
        }

        await transaction.CommitAsync(Deadline);
        Assert.InRange(await waiting, last + 1, long.MaxValue);

        async Task<long> ReplaceAsync(long revision)
        {
            await using var replace = new NpgsqlCommand(StateSql.Replace, other)
            {
                Parameters = { new() { Value = "a" }, new() { Value = new byte[1] }, new() { Value = TimeSpan.FromHours(1) }, new() { Value = revision } },
            };
            return (long)(await replace.ExecuteScalarAsync(Deadline))!;
        }
    }

    [Fact]
    public async Task What_has_expired_is_removed_so_many_at_a_time()
    {
        Database.Require();
        await using (var first = Store())
        {
            await PutAsync(first, "a");
        }

        await Database.SqlAsync("insert into postrider.state select 'old.' || i, '', i, now() - interval '1 second' from generate_series(1, 1200) i");
        await using var store = Store();
        var puts = 0;
        await UntilAsync(async () =>
        {
            await PutAsync(store, $"k{++puts}", TimeSpan.FromMinutes(1));
            var left = await Database.ScalarAsync<long>("select count(*) from postrider.state where key like 'old.%'");
            Assert.True(left >= 1200 - (500 * puts), $"{left} are left after {puts} puts.");
            return left == 0;
        });

        // The next time is in a minute.
        await Database.SqlAsync("insert into postrider.state select 'old.' || i, '', i, now() - interval '1 second' from generate_series(1, 5) i");
        await PutAsync(store, "b", TimeSpan.FromMinutes(1));
        Assert.NotNull(await store.GetAsync("b", Deadline));
        await store.DisposeAsync();
        Assert.Equal(5L, await Database.ScalarAsync<long>("select count(*) from postrider.state where key like 'old.%'"));
    }

    [Fact]
    public async Task A_transaction_of_the_caller_is_not_entered()
    {
        Database.Require();
        await using var source = NpgsqlDataSource.Create(Database.ConnectionString);
        await using var store = new PostgresStateStore(new() { DataSource = source });
        using (new TransactionScope(TransactionScopeAsyncFlowOption.Enabled))
        {
            await PutAsync(store, "a");
        }

        Assert.NotNull(await store.GetAsync("a", Deadline));
    }

    [Fact]
    public async Task A_data_source_of_the_application_is_used_and_left_open()
    {
        Database.Require();
        await using var source = NpgsqlDataSource.Create(Database.ConnectionString);
        await using (var store = new PostgresStateStore(new() { DataSource = source }))
        {
            await using var watch = new Watching(store, "a");
            await watch.SeesAsync();
            await PutAsync(store, "a.b");
            await watch.SeesAsync("a.b");
        }

        await using var connection = await source.OpenConnectionAsync(Deadline);
        Assert.Equal(1L, await Database.ScalarAsync<long>("select count(*) from postrider.state"));
    }

    [Fact]
    public async Task A_put_waits_for_the_disk_whatever_the_database_is_set_to()
    {
        Database.Require();
        await Database.AdministerAsync($"alter database {new NpgsqlConnectionStringBuilder(Database.ConnectionString).Database} set synchronous_commit = off");
        await using var store = Store();
        await PutAsync(store, "a");
        await Database.SqlAsync(
            """
            create function told() returns trigger language plpgsql as 'begin raise exception using message = current_setting(''synchronous_commit''); end';
            create constraint trigger told after insert or update or delete on postrider.state deferrable initially deferred for each row execute function told()
            """);
        foreach (var call in (Func<Task>[])[
            () => PutAsync(store, "b"),
            async () => await store.PutAsync("a", new byte[] { 2 }, (await store.GetAsync("a", Deadline))!.Revision, Forever, Deadline),
            async () => await store.DeleteAsync("a", (await store.GetAsync("a", Deadline))!.Revision, Deadline)])
        {
            // Told at the commit.
            Assert.Contains(": on (P0001)", (await Assert.ThrowsAsync<StateStoreException>(call)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_store_of_PGMQ_is_on_its_database()
    {
        Database.Require();
        await using var transport = Database.Transport();
        await using (var store = ((IStateStoreSource)transport).CreateStateStore()!)
        {
            await PutAsync(store, "a");
        }

        Assert.Equal("a", await Database.ScalarAsync<string>("select key from postrider.state"));
    }

    [Theory]
    [MemberData(nameof(SecretsTests.Unusable), MemberType = typeof(SecretsTests))]
    public async Task A_connection_string_that_cannot_be_used_is_not_told(string connectionString)
    {
        var options = new PostgresStateOptions { ConnectionString = connectionString };
        var error = await Assert.ThrowsAnyAsync<MessagingException>(async () =>
        {
            await using var store = new PostgresStateStore(options);
            await store.GetAsync("a", Deadline);
        });

        Assert.DoesNotContain(Secrets.Password, $"{error} {options}", StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(Secrets.Encoded, $"{error} {options}", StringComparison.OrdinalIgnoreCase);
        Assert.True(error is MessagingConfigurationException or StateStoreException { IsTransient: true });
    }

    [Fact]
    public async Task What_waiting_cannot_mend_is_not_transient_and_ends_a_watch()
    {
        Database.Require();
        var good = new NpgsqlConnectionStringBuilder(Database.ConnectionString);
        foreach (var bad in (string[])[
            new NpgsqlConnectionStringBuilder(good.ConnectionString) { Username = "nobody-at-all", Password = Secrets.Password }.ConnectionString,
            new NpgsqlConnectionStringBuilder(good.ConnectionString) { Database = "no_such_database" }.ConnectionString])
        {
            await using var store = new PostgresStateStore(Options with { ConnectionString = bad });
            var error = await FailsAsync(store, isTransient: false);
            Assert.DoesNotContain(Secrets.Password, error.ToString(), StringComparison.Ordinal);
            Assert.False((await Assert.ThrowsAsync<StateStoreException>(async () => await store.WatchAsync("a", Deadline).GetAsyncEnumerator(Deadline).MoveNextAsync())).IsTransient);
        }
    }

    [Fact]
    public async Task A_server_that_does_not_answer_costs_the_time_of_a_call_and_no_more()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        await using var store = new PostgresStateStore(new()
        {
            ConnectionString = $"Host=127.0.0.1;Port={((IPEndPoint)silent.LocalEndpoint).Port};Username=u;Password=p",
            CallTimeout = TimeSpan.FromMilliseconds(300),
        });
        await FailsAsync(store, isTransient: true);
        using var cancelled = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await store.GetAsync("a", cancelled.Token));
    }

    [Fact]
    public async Task What_waits_ends_with_the_store()
    {
        Database.Require();
        var store = Store();
        await using var snapshots = store.WatchAsync("a", CancellationToken.None).GetAsyncEnumerator();
        Assert.True(await snapshots.MoveNextAsync());
        var waiting = snapshots.MoveNextAsync().AsTask();
        await store.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.WaitAsync(Deadline));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await store.GetAsync("a", Deadline));
        await store.DisposeAsync();
    }
}
