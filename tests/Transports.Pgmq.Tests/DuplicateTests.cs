using System.Data.Common;
using Npgsql;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>Ids are stored with their messages: in one transaction, for a while, and by one alone.</summary>
public sealed class DuplicateTests(Database database) : IClassFixture<Database>, IAsyncLifetime
{
    private readonly string _queue = Database.NewQueue();
    private PgmqTransport _transport = null!;

    public async ValueTask InitializeAsync()
    {
        Database.Require();
        _transport = database.Transport();
        await _transport.DeclareAsync(_queue);
    }

    public ValueTask DisposeAsync() => _transport?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task What_a_transaction_or_a_savepoint_takes_back_does_not_burn_its_id()
    {
        await using var connection = await OpenAsync();
        await using (var transaction = await connection.BeginTransactionAsync(Database.Deadline))
        {
            await transaction.SaveAsync("before", Database.Deadline);
            Assert.Equal(PublishStatus.Stored, await PublishAsync(transaction, "a"));
            await transaction.RollbackAsync("before", Database.Deadline);
            Assert.Equal(PublishStatus.Stored, await PublishAsync(transaction, "a"));
            Assert.Equal(PublishStatus.Duplicate, await PublishAsync(transaction, "a"));
            await transaction.RollbackAsync(Database.Deadline);
        }

        await using (var transaction = await connection.BeginTransactionAsync(Database.Deadline))
        {
            Assert.Equal(PublishStatus.Stored, await PublishAsync(transaction, "a"));
            await transaction.CommitAsync(Database.Deadline);
        }

        Assert.Equal([PublishStatus.Duplicate], await SendAsync("a"));
        Assert.Equal(1, await CountAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_second_publish_waits_for_what_becomes_of_the_first(bool commits)
    {
        await using var connection = await OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync(Database.Deadline);
        Assert.Equal(PublishStatus.Stored, await PublishAsync(transaction, "a"));

        var second = SendAsync("a");
        while (!await database.ScalarAsync<bool>("select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())"))
        {
            Assert.False(second.IsCompleted);
        }

        await (commits ? transaction.CommitAsync(Database.Deadline) : transaction.RollbackAsync(Database.Deadline));

        Assert.Equal([commits ? PublishStatus.Duplicate : PublishStatus.Stored], await second);
        Assert.Equal(1, await CountAsync());
    }

    [Fact]
    public async Task Batches_with_the_same_ids_in_another_order_do_not_wait_for_each_other_for_ever()
    {
        await using var other = database.Transport();
        for (var round = 0; round < 20; round++)
        {
            Envelope[] batch = [.. Enumerable.Range(0, 200).Select(i => Database.Message("1", $"{round}-{i:000}"))];
            Envelope[] reversed = [.. batch.Reverse()];

            var both = await Task.WhenAll(Task.Run(() => _transport.SendAsync(_queue, batch)), Task.Run(() => other.SendAsync(_queue, reversed)));

            Assert.Equal(
                Enumerable.Repeat((1, 1), batch.Length),
                both[0].Zip(both[1].Reverse(), static (a, b) => ((PublishResult[])[a, b]).Select(static one => one.Status))
                    .Select(static pair => (pair.Count(static one => one == PublishStatus.Stored), pair.Count(static one => one == PublishStatus.Duplicate))));
        }
    }

    [Fact]
    public async Task An_id_whose_window_is_over_is_new_alone_and_in_a_batch()
    {
        Assert.Equal([PublishStatus.Stored, PublishStatus.Stored, PublishStatus.Stored], await SendAsync("a", "b", "c"));
        await ExpireAsync("id in ('a', 'b')");

        Assert.Equal([PublishStatus.Stored], await SendAsync("a"));
        Assert.Equal([PublishStatus.Duplicate, PublishStatus.Stored, PublishStatus.Duplicate], await SendAsync("a", "b", "c"));
        Assert.Equal([PublishStatus.Duplicate, PublishStatus.Duplicate], await SendAsync("a", "b"));
    }

    [Fact]
    public async Task What_the_server_refuses_does_not_burn_its_id()
    {
        await database.SqlAsync($"alter table pgmq.{Table} add constraint refused check (message <> '\"bad\"')");
        Assert.Equal(
            [PublishStatus.Stored, PublishStatus.Rejected, PublishStatus.Stored],
            (await _transport.SendAsync(_queue, Database.Message("1", "a"), Database.Message("\"bad\"", "b"), Database.Message("3", "c"))).Select(static one => one.Status));
        await database.SqlAsync($"alter table pgmq.{Table} drop constraint refused");

        Assert.Equal([PublishStatus.Duplicate, PublishStatus.Stored, PublishStatus.Duplicate], await SendAsync("a", "b", "c"));
    }

    [Fact]
    public async Task What_has_no_queue_does_not_burn_its_id()
    {
        var (queue, one) = (Database.NewQueue(), Database.Message("1"));
        Assert.Equal(PublishStatus.Unroutable, Assert.Single(await _transport.SendAsync(queue, one)).Status);
        Assert.All(await _transport.SendAsync(queue, one, Database.Message("2")), static result => Assert.Equal(PublishStatus.Unroutable, result.Status));

        await _transport.DeclareAsync(queue);

        Assert.Equal(PublishStatus.Stored, Assert.Single(await _transport.SendAsync(queue, one)).Status);
    }

    [Fact]
    public async Task A_handler_that_fails_does_not_burn_the_ids_of_what_it_published()
    {
        var paid = Database.NewQueue();
        await _transport.DeclareAsync(paid);
        var receipts = new List<PublishStatus>();
        var done = new TaskCompletionSource();
        TransactionHost? host = null;
        host = await TransactionHost.StartAsync(database, builder => builder.AddConsumer<Order>(
            _queue,
            async (order, context, cancellationToken) =>
            {
                receipts.Add((await host!.Bus.SendAsync(paid, new Paid(order.Number), new() { MessageId = $"paid-{order.Number}" }, cancellationToken)).Status);
                if (context.Attempt == 1)
                {
                    throw new InvalidOperationException("no");
                }

                done.SetResult();
                return Outcome.Ack;
            },
            static o => o with { Transactional = true, Retry = RetryPolicy.Immediate }));

        await using var closing = host;
        await host.Bus.SendAsync(_queue, new Order(1));
        await done.Task.WaitAsync(Database.Deadline);

        Assert.Equal([PublishStatus.Stored, PublishStatus.Stored], receipts);
    }

    [Fact]
    public async Task Ids_of_any_length_are_told_apart()
    {
        var longest = new string('x', 8000);

        Assert.Equal([PublishStatus.Stored, PublishStatus.Stored], await SendAsync(longest + "a", longest + "b"));
        Assert.Equal([PublishStatus.Duplicate], await SendAsync(longest + "a"));
        Assert.Equal([PublishStatus.Duplicate, PublishStatus.Stored], await SendAsync(longest + "b", longest + "c"));
    }

    [Fact]
    public async Task Ids_whose_window_is_over_are_removed_while_others_are_published()
    {
        await SendAsync([.. Enumerable.Range(0, 10_000).Select(static i => $"old-{i}")]);
        await ExpireAsync("id like 'old-%'");
        await SendAsync("kept");

        for (var i = 0; await database.ScalarAsync<bool>("select exists (select from postrider.message_ids where id like 'old-%')"); i++)
        {
            await SendAsync([.. Enumerable.Range(0, 200).Select(_ => Guid.NewGuid().ToString())]);
            Assert.InRange(i, 0, 1000);
        }

        Assert.Equal([PublishStatus.Duplicate], await SendAsync("kept"));
    }

    [Fact]
    public async Task Without_a_window_all_are_stored_and_no_ids()
    {
        await using var transport = new PgmqTransport(database.Options with { DuplicateWindow = TimeSpan.Zero });
        var before = await database.ScalarAsync<long>("select count(*) from postrider.message_ids");

        await transport.SendAsync(_queue, Database.Message("1", "z"));
        await transport.SendAsync(_queue, Database.Message("1", "z"), Database.Message("1", "z"));

        Assert.Equal(3, await CountAsync());
        Assert.Equal(before, await database.ScalarAsync<long>("select count(*) from postrider.message_ids"));
        Assert.False(transport.Capabilities.DuplicateDetection.IsSupported);
        Assert.Contains("DuplicateWindow", transport.Capabilities.DuplicateDetection.How, StringComparison.Ordinal);
    }

    private string Table => "q_" + TableName.Of(_queue);

    private async Task<PublishStatus[]> SendAsync(params string[] ids) =>
        [.. (await _transport.SendAsync(_queue, [.. ids.Select(static id => Database.Message("1", id))])).Select(static one => one.Status)];

    private async Task<PublishStatus> PublishAsync(DbTransaction transaction, string id)
    {
        var results = new PublishResult[1];
        await ((ITransactionalPublishing)_transport).PublishAsync(
            new OutgoingMessage[] { new(Destination.Queue(_queue), Database.Message("1", id)) }, results, transaction, Database.Deadline);
        return results[0].Status;
    }

    private async Task<NpgsqlConnection> OpenAsync()
    {
        var connection = new NpgsqlConnection(database.ConnectionString);
        await connection.OpenAsync(Database.Deadline);
        return connection;
    }

    private async Task ExpireAsync(string which) =>
        await database.SqlAsync($"update postrider.message_ids set expires_at = now() - interval '1 millisecond' where destination = '{_queue}' and {which}");

    private Task<long> CountAsync() => database.ScalarAsync<long>($"select count(*) from pgmq.{Table}");
}
