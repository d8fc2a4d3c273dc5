using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>Other clients of PGMQ, in plain SQL, and we work on the same queues.</summary>
public sealed class InteropTests(Database database) : IClassFixture<Database>
{
    [Fact]
    public async Task What_is_published_is_plain_jsonb_for_pgmq_read()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue();
        await transport.DeclareAsync(queue);

        var result = Assert.Single(await transport.SendAsync(queue, Database.Message("""{"order": 7, "text": "Straße"}""", "m1")));

        Assert.Equal(PublishStatus.Stored, result.Status);
        var row = Assert.Single(await database.SqlAsync(
            $"select message, headers->>'ce-id', headers->>'content-type' from pgmq.read('{queue.Replace('-', '_')}', 30, 1)"));
        Assert.Equal("""{"text": "Straße", "order": 7}""", row[0]);
        Assert.Equal("m1", row[1]);
        Assert.Equal("application/json", row[2]);
    }

    [Fact]
    public async Task What_others_delay_read_and_write_is_counted_as_what_it_is()
    {
        Database.Require();
        await using var transport = database.Transport();
        var queue = Database.NewQueue("counted").Replace('-', '_');
        await transport.DeclareAsync(queue);
        await database.SqlAsync(
            $$"""
            select pgmq.send('{{queue}}', '1', 100), pgmq.send('{{queue}}', '2', '{"x-postrider-reads": "many"}'::jsonb), pgmq.send('{{queue}}', '3', '{"x-postrider-reads": 1e30}'::jsonb),
                   pgmq.send('{{queue}}', '4', '[1]'::jsonb)
            """);

        Assert.Equal((4, 3, 0), await CountAsync());

        // It takes a number of reads that no reader of ours has written as it is: that one is delayed for us.
        await database.SqlAsync($"select msg_id from pgmq.read('{queue}', 100, 3)");
        Assert.Equal((4, 0, 2), await CountAsync());

        async Task<(long, long?, long?)> CountAsync()
        {
            var depth = await ((IQueueDepth)transport).DepthAsync(queue, Database.Deadline);
            Assert.Equal(depth.Ready > 0, depth.OldestAge > TimeSpan.Zero);
            return (depth.Total, depth.Ready, depth.Unsettled);
        }
    }

    [Fact]
    public async Task A_foreign_queue_and_send_reach_our_receiver()
    {
        Database.Require();
        await using var transport = database.Transport();
        await transport.DeclareAsync(Database.NewQueue());
        var queue = Database.NewQueue("foreign").Replace('-', '_');
        await database.SqlAsync($"select pgmq.create('{queue}')");
        var id = await database.ScalarAsync<long>($$"""select pgmq.send('{{queue}}', '{"a": 1}', '{"tenant": "x", "n": 5, "o": {"p": [1]}, "b": true, "z": null}'::jsonb)""");

        await using var receiver = await transport.OpenAsync(queue);
        var delivery = await receiver.OneAsync();

        Assert.Equal("""{"a": 1}""", delivery.Text());
        Assert.Equal($"pgmq:{queue}:{id}", delivery.Envelope.Id);
        Assert.Equal("application/json", delivery.Envelope.ContentType);
        Assert.Equal(
            [("b", "true"), ("n", "5"), ("o", """{"p": [1]}"""), ("tenant", "x")],
            delivery.Envelope.Headers.Select(header => (header.Key, header.Value)).Order());
        Assert.Equal(SettleStatus.Settled, Assert.Single(await receiver.SettleAsync(Settlement.Ack(delivery))).Status);
        Assert.Equal(0L, await database.ScalarAsync<long>($"select count(*) from pgmq.q_{queue}"));
    }
}
