using System.Net;
using System.Net.Sockets;
using Npgsql;
using Postrider.Core.Transport;
using Postrider.Persistence.Postgres;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>Servers that are away, refuse, break or are busy; and secrets that must not show.</summary>
public sealed class FailureTests(Database database) : IClassFixture<Database>
{
    private const string Secret = "s3cr3t!pass";

    [Theory]
    [InlineData("Host=127.0.0.1;Port=5432;Username=u;Password=" + Secret + ";Bogus=" + Secret, "bogus")]
    [InlineData("Host=127.0.0.1;Port=" + Secret + ";Password=" + Secret, "port")]
    [InlineData("postgres://u:" + Secret + "@h/db?bogus_key=" + Secret, "bogus key")]
    [InlineData("Host=h;Password='" + Secret, "cannot be read")]
    [InlineData(Secret, "cannot be read")]
    [InlineData("postgres://u:a/" + Secret + "@h:x/db", "cannot be read")]
    [InlineData("Username=u;Password=" + Secret, "no host")]
    [InlineData(" ", "empty")]
    public void A_wrong_connection_string_names_the_keyword_and_no_value(string connectionString, string part)
    {
        var options = new PgmqOptions { ConnectionString = connectionString };
        var error = Assert.Throws<MessagingConfigurationException>(() => new PgmqTransport(options));
        Assert.Contains(part, error.Message, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(Secret, error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, options.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("postgres://us%40er:pa%3Ass%2F@[::1]:6000/my%20db?sslmode=disable&application_name=x&connect_timeout=3", "us@er", "pa:ss/", "::1", 6000, "my db")]
    [InlineData("Server=h;User Id=u;Password=\"a;b=c\";Database=d", "u", "a;b=c", "h", 5432, "d")]
    public void Both_forms_are_read_and_shown_without_the_password(string text, string user, string password, string host, int port, string name)
    {
        var parsed = ConnectionStrings.Parse(text, "ConnectionString");
        Assert.Equal((user, password, host, port, name), (parsed.Username, parsed.Password, parsed.Host, parsed.Port, parsed.Database));
        Assert.Contains($"{user}:***@{host}:{port}/{name}", new PgmqOptions { ConnectionString = text }.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(password, new PgmqOptions { ConnectionString = text }.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Options_that_make_no_sense_are_refused()
    {
        var good = new PgmqOptions { ConnectionString = "Host=h" };
        foreach (var bad in (PgmqOptions[])[good with { PublishConnections = 0 }, good with { ReceiveConnections = 0 }, good with { CheckoutTimeout = default }, good with { CommandTimeout = TimeSpan.FromHours(2) }, good with { ApplicationName = "" }])
        {
            Assert.Throws<MessagingConfigurationException>(() => new PgmqTransport(bad));
        }
    }

    [Fact]
    public async Task A_wrong_password_is_refused_credentials_and_never_shown()
    {
        Database.Require();
        var role = "r" + Guid.NewGuid().ToString("N")[..10];
        await database.AdministerAsync($"create role {role} login password 'right'");
        try
        {
            var connection = new NpgsqlConnectionStringBuilder(database.ConnectionString) { Username = role, Password = Secret };
            // A server that trusts this address lets any password in, but the role may still create nothing: the same error, another cause.
            var log = new ListLogger();
            await using var transport = new PgmqTransport(new PgmqOptions { ConnectionString = connection.ConnectionString }, log);
            var declare = await Assert.ThrowsAsync<TransportException>(async () => await transport.DeclareAsync("a"));
            var open = await Assert.ThrowsAsync<TransportException>(async () => await transport.OpenAsync("a"));
            var publish = Assert.Single(await transport.SendAsync("a", Database.Message("1")));

            Assert.Equal(PublishStatus.NotSent, publish.Status);
            foreach (var error in (Exception[])[declare, open, publish.Error!])
            {
                Assert.Equal(TransportError.CredentialsRefused, Assert.IsType<TransportException>(error).Reason);
                Assert.DoesNotContain(Secret, error.ToString(), StringComparison.Ordinal);
            }

            Assert.DoesNotContain(Secret, log.ToString(), StringComparison.Ordinal);
        }
        finally
        {
            await database.AdministerAsync($"drop role {role}");
        }
    }

    [Fact]
    public async Task A_database_that_does_not_exist_is_fatal_and_says_how_to_make_it()
    {
        Database.Require();
        var connection = new NpgsqlConnectionStringBuilder(database.ConnectionString) { Database = "no_such_database" };
        await using var transport = new PgmqTransport(new PgmqOptions { ConnectionString = connection.ConnectionString });
        var error = await Assert.ThrowsAsync<TransportException>(async () => await transport.DeclareAsync("a"));
        Assert.True(error.IsFatal);
        Assert.Contains("CREATE DATABASE", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_is_away_is_unavailable()
    {
        using var port = new TcpListener(IPAddress.Loopback, 0);
        port.Start();
        var number = ((IPEndPoint)port.LocalEndpoint).Port;
        port.Stop();
        await using var transport = new PgmqTransport(new PgmqOptions { ConnectionString = $"postgres://u:{Secret}@127.0.0.1:{number}/db" });
        var error = await Assert.ThrowsAsync<TransportException>(async () => await transport.DeclareAsync("a"));
        Assert.True(error.IsTransient);
        Assert.Contains($"127.0.0.1:{number}/db", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, error.ToString(), StringComparison.Ordinal);
        Assert.Equal(PublishStatus.NotSent, Assert.Single(await transport.SendAsync("a", Database.Message("1"))).Status);
    }

    [Fact]
    public async Task A_pool_without_a_free_connection_times_out_typed()
    {
        Database.Require();
        await using var transport = new PgmqTransport(database.Options with { ReceiveConnections = 1, CheckoutTimeout = TimeSpan.FromSeconds(1), CommandTimeout = TimeSpan.FromSeconds(10) });
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await using var receiver = await transport.OpenAsync(queue);
        await using var blocker = new NpgsqlConnection(database.ConnectionString);
        await blocker.OpenAsync(Database.Deadline);
        await using var transaction = await blocker.BeginTransactionAsync(Database.Deadline);
        await using (var lockTable = new NpgsqlCommand($"lock table pgmq.q_{TableName.Of(queue)}", blocker))
        {
            await lockTable.ExecuteNonQueryAsync(Database.Deadline);
        }

        var waiting = receiver.ReceiveAsync(1, CancellationToken.None).AsTask();
        while (!await database.ScalarAsync<bool>("select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())"))
        {
        }

        var error = await Assert.ThrowsAsync<TransportException>(async () => await transport.OpenAsync(queue));
        Assert.Equal(TransportError.Timeout, error.Reason);
        await transaction.RollbackAsync(Database.Deadline);
        var stopping = receiver.StopAsync(Database.Deadline);
        Assert.Empty(await waiting);
        await stopping;
    }

    [Fact]
    public async Task After_all_its_sessions_are_killed_the_same_objects_work_again()
    {
        Database.Require();
        var log = new ListLogger();
        await using var transport = new PgmqTransport(database.Options, log);
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await using var receiver = await transport.OpenAsync(queue);
        for (var round = 0; round < 3; round++)
        {
            await transport.SendAsync(queue, Database.Message("1"));
            var held = await receiver.OneAsync();
            await database.SqlAsync("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'postrider %'");

            var deadline = Database.Deadline;
            // At most one failure for each connection that was idle in the pool; none that lasts.
            var failures = 0;
            while ((await receiver.SettleAsync(Settlement.Ack(held)))[0].Status == SettleStatus.Failed)
            {
                Assert.InRange(++failures, 0, 2);
            }

            failures = 0;
            while ((await transport.SendAsync(queue, Database.Message("2")))[0].Status != PublishStatus.Stored)
            {
                Assert.InRange(++failures, 0, 2);
            }

            Delivery? again = null;
            while (again is null)
            {
                deadline.ThrowIfCancellationRequested();
                try
                {
                    again = await receiver.OneAsync();
                }
                catch (TransportException e) when (e.IsTransient)
                {
                }
            }

            await receiver.SettleAsync(Settlement.Ack(again));
        }
    }

    [Fact]
    public async Task Disposal_is_bounded_and_may_be_repeated()
    {
        Database.Require();
        var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        var receiver = await transport.OpenAsync(queue);
        var waiting = receiver.ReceiveAsync(1, CancellationToken.None).AsTask();
        await receiver.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(5), TimeProvider.System);
        Assert.Empty(await waiting);
        await receiver.DisposeAsync();
        await transport.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(5), TimeProvider.System);
        await transport.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await transport.DeclareAsync(queue));
        Assert.Equal(PublishStatus.NotSent, Assert.Single(await transport.SendAsync(queue, Database.Message("1"))).Status);
        Assert.Equal(0L, await database.ScalarAsync<long>("select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database()) and classid = 1886352243"));
    }
}
