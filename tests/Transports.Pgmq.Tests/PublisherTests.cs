using System.Text;
using Npgsql;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>Publishing: routing inside the statement, coalescing, and what is reported when it fails.</summary>
public sealed class PublisherTests(Database database) : IClassFixture<Database>
{
    [Fact]
    public async Task Patterns_match_as_in_memory()
    {
        Database.Require();
        // One of its own: '#' would take the messages of the other tests.
        await using var database = new Database();
        await database.InitializeAsync();
        await using var transport = database.Transport();
        string[] words = ["a", "b", "A", "a-b", "*", "#"];
        var random = new Random(4711);
        var patterns = new HashSet<string> { "orders.#", "#", "*", "#.#", "#.a", "a.#.b", "*.#.*" };
        while (patterns.Count < 60)
        {
            patterns.Add(string.Join('.', Enumerable.Range(0, random.Next(1, 5)).Select(_ => words[random.Next(words.Length)])));
        }

        var queues = patterns.Select((pattern, i) => (Pattern: pattern, Queue: $"match{i}")).ToArray();
        await transport.DeclareAsync(
            new Topology([.. queues.Select(q => q.Queue)], [.. queues.Select(q => new Binding(q.Pattern, q.Queue))]), Database.Deadline);
        var topics = new HashSet<string> { "orders", "orders.placed", "orders.placed.eu", "a", "b", "a.b", "a.a.b", "ordersx" };
        while (topics.Count < 40)
        {
            topics.Add(string.Join('.', Enumerable.Range(0, random.Next(1, 5)).Select(_ => words[random.Next(words.Length - 2)])));
        }

        var results = await transport.PublishAsync([.. topics.Select(topic => new OutgoingMessage(Destination.Topic(topic), Database.Message("1", topic)))]);

        Assert.All(results, result => Assert.Equal(PublishStatus.Stored, result.Status)); // '#' takes all
        foreach (var (pattern, queue) in queues)
        {
            var stored = (await database.SqlAsync($"select headers->>'ce-id' from pgmq.q_{queue}")).Select(row => (string)row[0]!).Order(StringComparer.Ordinal);
            Assert.Equal(topics.Where(topic => TopicPattern.Matches(pattern, topic)).Order(StringComparer.Ordinal), stored);
        }
    }

    [Fact]
    public async Task A_queue_gets_one_copy_however_many_bindings_match_and_order_is_kept()
    {
        Database.Require();
        await using var transport = database.Transport();
        var (queue, other, topic) = (Database.NewQueue(), Database.NewQueue(), Database.NewQueue("t"));
        await transport.DeclareAsync(
            new Topology([queue, other], [new(topic, queue), new(topic + ".#", queue), new($"{topic}.*", queue), new(topic + ".b", other)]), Database.Deadline);

        var results = await transport.PublishAsync(
            [.. Enumerable.Range(0, 1000).Select(i => new OutgoingMessage(
                Destination.Topic(i % 2 == 0 ? topic + ".a" : topic + ".b"), Database.Message($"{i}")))]);

        Assert.All(results, result => Assert.Equal(PublishStatus.Stored, result.Status));
        Assert.Equal(Enumerable.Range(0, 1000), await InClaimOrder(queue));
        Assert.Equal(Enumerable.Range(0, 500).Select(i => (i * 2) + 1), await InClaimOrder(other));

        async Task<IEnumerable<int>> InClaimOrder(string name) =>
            (await database.SqlAsync($"select message::text::int from pgmq.q_{TableName.Of(name)} order by vt, msg_id")).Select(row => (int)row[0]!);
    }

    [Fact]
    public async Task Nothing_is_stored_where_nothing_is_bound_and_no_queue_is()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);

        var results = await transport.PublishAsync(
            new(Destination.Topic("nobody.listens"), Database.Message("1")),
            new(Destination.Queue("nowhere"), Database.Message("1")),
            // The same table, but not the queue of that name.
            new(Destination.Queue(queue.Replace('-', '.')), Database.Message("1")),
            new(Destination.Queue("x'; drop table pgmq.meta; --"), Database.Message("1")),
            new(Destination.Queue(queue), Database.Message("1")));

        Assert.Null(results[2].Error is TransportException { Reason: TransportError.QueueNotFound } ? null : results[2].Error);
        Assert.Equal(
            [PublishStatus.Unroutable, PublishStatus.Unroutable, PublishStatus.Unroutable, PublishStatus.Rejected, PublishStatus.Stored],
            results.Select(result => result.Status));
        Assert.Equal(TransportError.QueueNotFound, Assert.IsType<TransportException>(results[1].Error).Reason);
        await Assert.ThrowsAsync<TransportException>(async () => await transport.OpenAsync("nowhere"));
        await Assert.ThrowsAsync<TransportException>(async () => await transport.OpenAsync(queue.Replace('-', '.')));
    }

    [Fact]
    public async Task Of_many_coalesced_messages_exactly_the_bad_ones_are_rejected()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        // A number that is valid JSON, and that no check of ours catches: only the server refuses it. (A trigger stands for such a rule.)
        await database.SqlAsync(
            $"""
            create function refuse_{TableName.Of(queue)}() returns trigger language plpgsql as $$ begin raise exception 'no' using errcode = '22023'; end $$;
            create trigger t before insert on pgmq.q_{TableName.Of(queue)} for each row when (new.message = '"bad"') execute function refuse_{TableName.Of(queue)}();
            """);

        var calls = Enumerable.Range(0, 500)
            .Select(i => transport.SendAsync(queue, Database.Message(i is 77 or 301 ? "\"bad\"" : $"{i}")))
            .ToArray();
        var results = await Task.WhenAll(calls);

        for (var i = 0; i < results.Length; i++)
        {
            Assert.Equal(i is 77 or 301 ? PublishStatus.Rejected : PublishStatus.Stored, results[i][0].Status);
        }

        Assert.Equal(498L, await database.ScalarAsync<long>($"select count(*) from pgmq.q_{TableName.Of(queue)}"));
    }

    [Fact]
    public async Task Concurrent_publishes_share_statements()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, Database.Message("0"));

        await Task.WhenAll(Enumerable.Range(0, 1000).Select(i => transport.SendAsync(queue, Database.Message($"{i}"))));

        var transactions = await database.ScalarAsync<long>($"select count(distinct xmin::text) from pgmq.q_{TableName.Of(queue)}");
        Assert.InRange(transactions, 2, 100);
    }

    [Fact]
    public async Task Header_values_that_cannot_be_stored_are_rejected_alone()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);

        var results = await transport.SendAsync(
            queue,
            Database.Message("1"),
            Database.Message("1") with { Headers = new Dictionary<string, string> { ["a"] = "nul \0" } },
            Database.Message("1") with { Headers = new Dictionary<string, string> { ["a"] = "half \ud800" } },
            Database.Message("1") with { Headers = new Dictionary<string, string> { ["a"] = "literally \\u0000 and \u2028 \U0001F600" } });

        Assert.Equal([PublishStatus.Stored, PublishStatus.Rejected, PublishStatus.Rejected, PublishStatus.Stored], results.Select(result => result.Status));
    }

    [Fact]
    public async Task Cancelling_before_anything_is_sent_is_not_sent()
    {
        Database.Require();
        await using var transport = database.Transport();
        var results = new PublishResult[2];
        await transport.PublishAsync(
            new OutgoingMessage[] { new(Destination.Queue("x"), Database.Message("1")), new(Destination.Queue("X!"), Database.Message("1")) },
            results, new CancellationToken(true));
        Assert.Equal([PublishStatus.NotSent, PublishStatus.Rejected], results.Select(result => result.Status));
    }

    [Fact]
    public async Task Cancelling_what_is_under_way_is_unknown_and_does_not_wait_for_the_server()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        await using var blocker = new NpgsqlConnection(database.ConnectionString);
        await blocker.OpenAsync(Database.Deadline);
        await using var transaction = await blocker.BeginTransactionAsync(Database.Deadline);
        await using (var lockTable = new NpgsqlCommand($"lock table pgmq.q_{TableName.Of(queue)}", blocker))
        {
            await lockTable.ExecuteNonQueryAsync(Database.Deadline);
        }

        using var cancel = new CancellationTokenSource();
        var results = new PublishResult[1];
        var publishing = transport.PublishAsync(
            new OutgoingMessage[] { new(Destination.Queue(queue), Database.Message("1")) }, results, cancel.Token).AsTask();
        while (!await database.ScalarAsync<bool>("select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())"))
        {
        }

        await cancel.CancelAsync();
        await publishing.WaitAsync(TimeSpan.FromSeconds(2), TimeProvider.System);
        Assert.Equal(PublishStatus.Unknown, results[0].Status);
        await transaction.RollbackAsync(Database.Deadline);
    }

    [Fact]
    public async Task Large_bodies_go_through()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        var large = "\"" + new string('x', 3_000_000) + "\"";
        var results = await transport.SendAsync(queue, [.. Enumerable.Range(0, 5).Select(_ => Database.Message(large))]);
        Assert.All(results, result => Assert.Equal(PublishStatus.Stored, result.Status));
        await using var receiver = await transport.OpenAsync(queue);
        Assert.Equal(large, (await receiver.OneAsync()).Text());
    }

    [Fact]
    public async Task A_caller_may_reuse_the_body_at_once()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);
        var body = Encoding.UTF8.GetBytes("[1234567]");
        var sending = transport.SendAsync(queue, Database.Message("") with { Body = body });
        body.AsSpan().Fill((byte)'9');
        await sending;
        await using var receiver = await transport.OpenAsync(queue);
        Assert.Equal("[1234567]", (await receiver.OneAsync()).Text());
    }
}
