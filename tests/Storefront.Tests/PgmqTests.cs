using Npgsql;

namespace Postrider.Storefront.Tests;

/// <summary>The same program, another broker: nothing but configuration differs.</summary>
public sealed class PgmqTests : IAsyncLifetime
{
    private static readonly string? Server = Environment.GetEnvironmentVariable("POSTRIDER_TEST_PGMQ");

    private readonly string _database = "storefront_test_" + Guid.NewGuid().ToString("N")[..12];

    private string ConnectionString => new NpgsqlConnectionStringBuilder(Server) { Database = _database }.ConnectionString;

    public async ValueTask InitializeAsync()
    {
        if (Server is not null)
        {
            await AdministerAsync($"create database {_database}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
        {
            await AdministerAsync($"drop database if exists {_database} with (force)");
        }
    }

    [Fact]
    public async Task Every_run_accounts_for_its_own_copies_and_leaves_its_dead_letters_in_their_queues()
    {
        Assert.SkipWhen(Server is null, "no broker: set POSTRIDER_TEST_PGMQ or run ./test.sh");
        var expected = Expected.Of(await File.ReadAllBytesAsync(Run.ShippedOrders));
        var environment = new Dictionary<string, string> { ["Messaging__Transport"] = "pgmq", ["Messaging__Pgmq__ConnectionString"] = ConnectionString };

        for (var runs = 1; runs <= 2; runs++)
        {
            expected.AssertOf(await Run.Storefront(default, environment));
            foreach (var (consumer, (_, reasons)) in expected.Consumers)
            {
                Assert.Equal(0, await CountAsync($"select count(*) from pgmq.q_{consumer}"));
                Assert.Equal(runs * reasons.Values.Sum(), await CountAsync($"select count(*) from pgmq.q_{consumer}_dlq where vt <= clock_timestamp()"));
            }
        }
    }

    [Fact]
    public async Task Refused_credentials_are_one_line_without_the_password_and_exit_code_77()
    {
        Assert.SkipWhen(Server is null, "no broker: set POSTRIDER_TEST_PGMQ or run ./test.sh");
        var wrong = new NpgsqlConnectionStringBuilder(ConnectionString) { Username = "nobody_" + _database, Password = "hunter2" }.ConnectionString;

        var error = await StorefrontTests.AssertOneLine(77, "Check user and password", "--transport", "pgmq", "--connection", wrong);
        Assert.DoesNotContain("hunter2", error);
    }

    [Fact]
    public async Task A_broker_that_is_not_there_is_one_line_that_says_where_and_how_to_start_one_and_exit_code_69()
    {
        var error = await StorefrontTests.AssertOneLine(
            69, "127.0.0.1:1/", "--transport", "pgmq", "--connection", "Host=127.0.0.1;Port=1;Username=shop;Password=hunter2;Database=shop");

        Assert.Contains("docker compose up", error);
        Assert.DoesNotContain("hunter2", error);
    }

    [Fact]
    public async Task A_connection_string_that_cannot_be_read_is_one_line_without_its_contents_and_exit_code_78()
    {
        var error = await StorefrontTests.AssertOneLine(78, "ConnectionString", "--transport", "pgmq", "--connection", "Hots=x;Password=hunter2");

        Assert.DoesNotContain("hunter2", error);
    }

    private static async Task AdministerAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(Server) { Database = "postgres", Pooling = false }.ConnectionString);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    private async Task<long> CountAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(ConnectionString) { Pooling = false }.ConnectionString);
        await using var command = source.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
