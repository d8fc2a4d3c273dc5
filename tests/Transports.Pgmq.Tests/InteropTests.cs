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
