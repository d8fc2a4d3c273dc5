using System.Data;
using System.Data.Common;
using Npgsql;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>Publishing within the caller's transaction: there when it commits, gone when it rolls back.</summary>
public sealed class TransactionalPublishTests(Database database) : IClassFixture<Database>, IAsyncLifetime
{
    private readonly string _queue = Database.NewQueue();
    private TransactionHost _host = null!;

    private string Table => "pgmq.q_" + TableName.Of(_queue);

    public async ValueTask InitializeAsync()
    {
        Database.Require();
        await using (var transport = database.Transport())
        {
            await transport.DeclareAsync(_queue);
        }

        _host = await TransactionHost.StartAsync(database, static _ => { });
    }

    public ValueTask DisposeAsync() => _host?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task A_message_is_there_when_the_transaction_commits_and_waiting_receivers_are_told_then()
    {
        await using var listener = await _host.Source.OpenConnectionAsync();
        var told = new TaskCompletionSource<string>();
        listener.Notification += (_, notification) => told.TrySetResult(notification.Payload);
        // As a receiver that waits (docs/decisions/0002).
        await ExecuteAsync(listener, $"listen postrider; select pg_advisory_lock_shared(1886352243, hashtext('{TableName.Of(_queue)}'))");
        var (connection, transaction) = await BeginAsync();
        await using var closing = connection;

        var receipt = await SendAsync(transaction, 1);

        Assert.Equal(PublishStatus.Stored, receipt.Status);
        Assert.Equal(0, await CountAsync());
        await ExecuteAsync(listener, "select");
        Assert.False(told.Task.IsCompleted);
        await transaction.CommitAsync();
        Assert.Equal(1, await CountAsync());
        while (!told.Task.IsCompleted)
        {
            await listener.WaitAsync(Database.Deadline);
        }

        Assert.Equal(TableName.Of(_queue), await told.Task);
    }

    [Fact]
    public async Task A_message_is_gone_with_what_was_written_when_the_transaction_rolls_back()
    {
        var (connection, transaction) = await BeginAsync();
        await using var closing = connection;
        await ExecuteAsync(connection, $"create table effects_{_queue.Replace('-', '_')} (number int)");
        await SendAsync(transaction, 1);

        await transaction.RollbackAsync();

        Assert.Equal(0, await CountAsync());
    }

    [Fact]
    public async Task A_savepoint_takes_back_what_was_published_after_it()
    {
        var (connection, transaction) = await BeginAsync();
        await using var closing = connection;
        await SendAsync(transaction, 1);
        await transaction.SaveAsync("half");
        await SendAsync(transaction, 2);
        await transaction.RollbackAsync("half");
        await SendAsync(transaction, 3);

        await transaction.CommitAsync();

        Assert.Equal([1, 3], await NumbersAsync());
    }

    [Fact]
    public async Task A_publish_that_the_server_refuses_aborts_the_transaction_and_a_savepoint_saves_it()
    {
        await database.SqlAsync($"alter table {Table} add check (message ->> 'text' <> 'bad')");
        var (connection, transaction) = await BeginAsync();
        await using var closing = connection;
        await SendAsync(transaction, 1);
        await transaction.SaveAsync("half");

        var refused = await Assert.ThrowsAsync<PublishException>(async () => await SendAsync(transaction, 2, "bad"));
        var after = await Assert.ThrowsAsync<PublishException>(async () => await SendAsync(transaction, 3));

        Assert.Equal((PublishStatus.Rejected, PublishStatus.NotSent), (refused.Status, after.Status));
        Assert.Contains("earlier statement", after.Message, StringComparison.Ordinal);
        await transaction.RollbackAsync("half");
        await SendAsync(transaction, 4);
        await transaction.CommitAsync();
        Assert.Equal([1, 4], await NumbersAsync());
    }

    [Fact]
    public async Task A_batch_is_stored_in_its_order_and_as_one_with_the_transaction()
    {
        var (connection, transaction) = await BeginAsync();
        await using var closing = connection;

        var items = await _host.Bus.SendBatchAsync(
            _queue, Enumerable.Range(0, 50).Select(static i => new Order(i)), _ => new PublishOptions { Transaction = transaction });

        Assert.All(items, static item => Assert.Equal(PublishStatus.Stored, item.Status));
        Assert.Equal(0, await CountAsync());
        await transaction.CommitAsync();
        Assert.Equal(Enumerable.Range(0, 50), await NumbersAsync());
    }

    [Fact]
    public async Task What_has_no_queue_leaves_the_transaction_as_it_was()
    {
        var (connection, transaction) = await BeginAsync();
        await using var closing = connection;

        var nobody = await _host.Bus.PublishAsync(new Order(1), new() { Transaction = transaction, Topic = $"{_queue}.nobody" });
        var missing = await Assert.ThrowsAsync<PublishException>(
            async () => await _host.Bus.SendAsync(Database.NewQueue(), new Order(1), new() { Transaction = transaction }));
        await SendAsync(transaction, 2);
        await transaction.CommitAsync();

        Assert.Equal((PublishStatus.Unroutable, PublishStatus.Unroutable), (nobody.Status, missing.Status));
        Assert.Equal([2], await NumbersAsync());
    }

    [Fact]
    public async Task A_delay_counts_from_the_publish()
    {
        var (connection, transaction) = await BeginAsync();
        await using var closing = connection;
        await _host.Bus.SendAsync(_queue, new Order(1), new() { Transaction = transaction, Delay = TimeSpan.FromHours(1) });
        await ExecuteAsync(connection, "select pg_sleep(0.05)");
        await transaction.CommitAsync();

        var row = (await database.SqlAsync($"select vt - enqueued_at >= interval '1 hour', vt < enqueued_at + interval '1 hour 50 milliseconds' from {Table}"))[0];

        Assert.Equal([true, true], row);
    }

    [Fact]
    public async Task A_cancelled_publish_aborts_the_transaction_and_stores_nothing()
    {
        var (blocking, blocker) = await BeginAsync();
        await using var unblocking = blocking;
        await ExecuteAsync(blocking, $"lock table {Table}");
        var (connection, transaction) = await BeginAsync();
        await using var closing = connection;
        using var cancellation = new CancellationTokenSource();

        var publishing = _host.Bus.SendAsync(_queue, new Order(1), new() { Transaction = transaction }, cancellation.Token).AsTask();
        while (!await database.ScalarAsync<bool>($"select exists (select from pg_locks where not granted and relation = '{Table}'::regclass)"))
        {
        }

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => publishing);
        await blocker.RollbackAsync();
        var error = await Assert.ThrowsAsync<PostgresException>(() => ExecuteAsync(connection, "select 1"));
        Assert.Equal(PostgresErrorCodes.InFailedSqlTransaction, error.SqlState);
        await transaction.RollbackAsync();
        Assert.Equal(0, await CountAsync());
    }

    [Theory]
    [InlineData("committed", "has ended")]
    [InlineData("rolled back", "has ended")]
    [InlineData("disposed", "has ended")]
    [InlineData("closed", "")]
    [InlineData("broken", "")]
    [InlineData("foreign", "NpgsqlTransaction")]
    public async Task A_transaction_in_which_nothing_can_be_stored_is_refused(string state, string expected)
    {
        var (connection, transaction) = await BeginAsync();
        await using var closing = connection;
        var used = (DbTransaction)transaction;
        switch (state)
        {
            case "committed":
                await transaction.CommitAsync();
                break;
            case "rolled back":
                await transaction.RollbackAsync();
                break;
            case "disposed":
                await transaction.DisposeAsync();
                break;
            case "closed":
                await connection.CloseAsync();
                break;
            case "broken":
                await Assert.ThrowsAnyAsync<NpgsqlException>(() => ExecuteAsync(connection, "select pg_terminate_backend(pg_backend_pid())"));
                break;
            default:
                used = new ForeignTransaction();
                break;
        }

        var error = await Assert.ThrowsAsync<PublishException>(async () => await _host.Bus.SendAsync(_queue, new Order(1), new() { Transaction = used }));

        Assert.Equal(PublishStatus.Rejected, error.Status);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Equal(0, await CountAsync());
    }

    [Fact]
    public async Task A_transaction_in_another_database_is_refused()
    {
        await using var elsewhere = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(database.ConnectionString) { Database = "postgres" }.ConnectionString);
        await elsewhere.OpenAsync(Database.Deadline);
        await using var transaction = await elsewhere.BeginTransactionAsync(Database.Deadline);

        var error = await Assert.ThrowsAsync<PublishException>(async () => await SendAsync(transaction, 1));

        Assert.Contains("'postgres'", error.Message, StringComparison.Ordinal);
        Assert.Equal(PublishStatus.Rejected, error.Status);
    }

    [Fact]
    public async Task A_connection_that_is_in_use_is_refused_and_the_transaction_goes_on()
    {
        var (connection, transaction) = await BeginAsync();
        await using var closing = connection;
        await using (var command = new NpgsqlCommand("select generate_series(1, 3)", connection))
        await using (await command.ExecuteReaderAsync(Database.Deadline))
        {
            var error = await Assert.ThrowsAsync<PublishException>(async () => await SendAsync(transaction, 1));
            Assert.Equal(PublishStatus.NotSent, error.Status);
            Assert.Contains("Await each command", error.Message, StringComparison.Ordinal);
        }

        await SendAsync(transaction, 2);
        await transaction.CommitAsync();
        Assert.Equal([2], await NumbersAsync());
    }

    [Fact]
    public async Task The_connection_of_a_data_source_that_maps_json_in_its_own_way_will_do()
    {
        var builder = new NpgsqlDataSourceBuilder(database.ConnectionString);
        builder.EnableDynamicJson();
        await using var source = builder.Build();
        await using var connection = await source.OpenConnectionAsync(Database.Deadline);
        await using var transaction = await connection.BeginTransactionAsync(Database.Deadline);

        await SendAsync(transaction, 1);
        await transaction.CommitAsync();

        Assert.Equal([1], await NumbersAsync());
    }

    private ValueTask<PublishReceipt> SendAsync(DbTransaction transaction, int number, string text = "") =>
        _host.Bus.SendAsync(_queue, new Order(number, text), new() { Transaction = transaction });

    private async Task<(NpgsqlConnection Connection, NpgsqlTransaction Transaction)> BeginAsync()
    {
        var connection = await _host.Source.OpenConnectionAsync(Database.Deadline);
        return (connection, await connection.BeginTransactionAsync(Database.Deadline));
    }

    private async Task<long> CountAsync() => await database.ScalarAsync<long>($"select count(*) from {Table}");

    private async Task<IEnumerable<int>> NumbersAsync() =>
        (await database.SqlAsync($"select (message ->> 'number')::int from {Table} order by msg_id")).Select(static row => (int)row[0]!);

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Database.Deadline);
    }

    private sealed class ForeignTransaction : DbTransaction
    {
        public override IsolationLevel IsolationLevel => IsolationLevel.ReadCommitted;

        protected override DbConnection? DbConnection => null;

        public override void Commit()
        {
        }

        public override void Rollback()
        {
        }
    }
}
