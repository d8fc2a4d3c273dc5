using Npgsql;
using Postrider.Brokers;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>Topics that go to queues which other clients of PGMQ have made. (Such a queue is consumed as it is: <see cref="InteropTests"/>.)</summary>
public sealed class MappingTests(Database database) : IClassFixture<Database>
{
    private readonly string _queue = Database.NewQueue("Legacy Orders");
    private readonly string _topic = Database.NewQueue("t") + ".placed";

    [Fact]
    public async Task Messages_are_rows_for_pgmq_read_in_their_order_and_go_nowhere_else()
    {
        await using var transport = await ConnectAsync(o => o.MapTopic(_topic, _queue));
        var own = Database.NewQueue();
        await transport.DeclareAsync(new Topology([own], [new("#", own)]), Database.Deadline);
        await database.SqlAsync($"select pgmq.create('{_queue}')");

        var results = await transport.PublishAsync([.. Enumerable.Range(1, 5).Select(i => OnTopic($$"""{"n": {{i}}}""")), new(Destination.Topic("other"), Database.Message("6"))]);

        Assert.All(results, static one => Assert.Equal(PublishStatus.Stored, one.Status));
        var rows = await database.SqlAsync($"select message, headers->>'x-postrider-topic', headers->>'content-type' from pgmq.read('{_queue}', 30, 10)");
        Assert.Equal(Enumerable.Range(1, 5).Select(static i => $$"""{"n": {{i}}}"""), rows.Select(static row => (string)row[0]!));
        Assert.All(rows, row => Assert.Equal((_topic, "application/json"), (row[1], row[2])));
        await using var receiver = await transport.OpenAsync(own);
        Assert.Equal("6", (await receiver.OneAsync()).Text());
    }

    [Fact]
    public async Task A_delay_is_the_rows()
    {
        await using var transport = await ConnectAsync(o => o.MapTopic(_topic, _queue));
        await database.SqlAsync($"select pgmq.create('{_queue}')");
        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.PublishAsync(OnTopic("1") with { Delay = TimeSpan.FromHours(1) })).Status);
        Assert.Empty(await database.SqlAsync($"select * from pgmq.read('{_queue}', 30, 1)"));
        Assert.True(await database.ScalarAsync<bool>($"select vt - enqueued_at between '59 minutes' and '61 minutes' from pgmq.\"q_{_queue.ToLowerInvariant()}\""));
    }

    [Fact]
    public async Task A_queue_that_is_missing_or_too_old_is_an_error_of_its_messages_alone()
    {
        await using var transport = await ConnectAsync(o => o.MapTopic(_topic, _queue).MapTopic("missing", _queue + "?").MapTopic("old", "old"));
        var own = Database.NewQueue();
        await transport.DeclareAsync(own);
        await database.SqlAsync($"select pgmq.create('{_queue}'), pgmq.create('old')");
        await database.SqlAsync("alter table pgmq.q_old drop column headers");

        var results = await transport.PublishAsync(
            new(Destination.Queue(own), Database.Message("1")), OnTopic("2", "missing"), OnTopic("3", "old"), OnTopic("4"), new(Destination.Queue(own), Database.Message("5")));

        Assert.Equal(
            [PublishStatus.Stored, PublishStatus.Rejected, PublishStatus.Rejected, PublishStatus.Stored, PublishStatus.Stored], results.Select(static one => one.Status));
        Refused.Is(results[1], $"'missing', which is mapped to the queue '{_queue}?'", "no such queue");
        Refused.Is(results[2], "'old'", "a column headers");
    }

    [Fact]
    public async Task What_the_server_does_not_allow_on_one_queue_harms_no_other()
    {
        await using var transport = await ConnectAsync(o => o.MapTopic(_topic, _queue).MapTopic("picky", "picky"));
        await database.SqlAsync($"select pgmq.create('{_queue}'), pgmq.create('picky')");
        await database.SqlAsync(
            """
            create function refuse() returns trigger language plpgsql as $fn$ begin raise exception 'not today'; end $fn$;
            create trigger refuse before insert on pgmq.q_picky for each row execute function refuse();
            """);

        var results = await transport.PublishAsync(OnTopic("1"), OnTopic("2", "picky"), OnTopic("3"));

        Assert.Equal([PublishStatus.Stored, PublishStatus.NotSent, PublishStatus.Stored], results.Select(static one => one.Status));
        Assert.Contains("not today", results[1].Error!.Message, StringComparison.Ordinal);
        Assert.Equal(2L, await database.ScalarAsync<long>($"select count(*) from pgmq.read('{_queue}', 30, 10)"));
    }

    [Fact]
    public async Task In_a_transaction_it_commits_with_the_rest_and_a_missing_queue_does_not_end_it()
    {
        await using var transport = await ConnectAsync(o => o.MapTopic(_topic, _queue).MapTopic("missing", "missing"));
        var own = Database.NewQueue();
        await transport.DeclareAsync(own);
        await database.SqlAsync($"select pgmq.create('{_queue}')");
        await using var connection = new NpgsqlConnection(database.ConnectionString);
        await connection.OpenAsync(Database.Deadline);
        await using (var transaction = await connection.BeginTransactionAsync(Database.Deadline))
        {
            var results = new PublishResult[3];
            await ((ITransactionalPublishing)transport).PublishAsync(
                new OutgoingMessage[] { OnTopic("1", "missing"), OnTopic("2"), new(Destination.Queue(own), Database.Message("3")) }, results, transaction, Database.Deadline);
            Assert.Equal([PublishStatus.Rejected, PublishStatus.Stored, PublishStatus.Stored], results.Select(static one => one.Status));
            Assert.Empty(await database.SqlAsync($"select * from pgmq.read('{_queue}', 0, 1)"));
            await transaction.CommitAsync(Database.Deadline);
        }

        Assert.Equal("2", (await database.SqlAsync($"select message from pgmq.read('{_queue}', 30, 2)")).Single()[0]);
    }

    [Theory]
    [InlineData("a.#", "x", "illegal")]
    [InlineData("a", "", "1 to 47 characters")]
    [InlineData("a", "x23456789012345678901234567890123456789012345678", "1 to 47 characters")]
    [InlineData("a", "x;y", "$ ; '")]
    [InlineData("a", "x'y", "$ ; '")]
    [InlineData("a", "x--y", "$ ; '")]
    public void Mappings_that_make_no_sense_are_refused(string topic, string queue, string why)
    {
        var options = new PgmqOptions { ConnectionString = "Host=h" }.MapTopic(topic, queue);
        var e = Assert.Throws<MessagingConfigurationException>(() => new PgmqTransport(options));
        Assert.Contains($"cannot map the topic '{topic}'", e.Message, StringComparison.Ordinal);
        Assert.Contains(why, e.Message, StringComparison.Ordinal);
    }

    /// <summary>With the schema in place, as other clients need it, too.</summary>
    private async Task<PgmqTransport> ConnectAsync(Func<PgmqOptions, PgmqOptions> map)
    {
        Database.Require();
        var transport = new PgmqTransport(map(database.Options));
        await transport.DeclareAsync();
        return transport;
    }

    private OutgoingMessage OnTopic(string body, string? topic = null) =>
        new(Destination.Topic(topic ?? _topic), Database.Message(body) with { Topic = topic ?? _topic });
}
