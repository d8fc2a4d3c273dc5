using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>Queues for answers go when their processes are gone.</summary>
public sealed class ReplyQueueTests(Database database) : IClassFixture<Database>, IAsyncLifetime
{
    private PgmqTransport _transport = null!;

    public ValueTask InitializeAsync()
    {
        Database.Require();
        _transport = database.Transport();
        return default;
    }

    public ValueTask DisposeAsync() => _transport?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task One_that_nobody_keeps_is_dropped_by_the_next_who_asks()
    {
        var (dead, alive, next) = (NewName(), NewName(), NewName());
        await using var ofDead = await OpenAsync(dead);
        await using var ofAlive = await OpenAsync(alive);
        Assert.Equal(PublishStatus.Stored, await SendAsync(dead));
        await database.ScalarAsync<int>($"update postrider.reply_queues set expires_at = now() where name = '{dead}' returning 1");

        await using var ofNext = await OpenAsync(next);

        Assert.Equal(
            [PublishStatus.Unroutable, PublishStatus.Stored, PublishStatus.Stored],
            [await SendAsync(dead), await SendAsync(alive), await SendAsync(next)]);
        Assert.Equal(0, await database.ScalarAsync<long>($"select count(*) from pgmq.list_queues() where queue_name = '{Names.SameAs(dead)}'"));
        Assert.Equal(0, await database.ScalarAsync<long>($"select count(*) from postrider.reply_queues where name = '{dead}'"));
    }

    [Fact]
    public async Task One_whose_process_was_away_for_too_long_is_made_anew()
    {
        var (late, other) = (NewName(), NewName());
        await using (await OpenAsync(late))
        {
            await database.ScalarAsync<int>($"update postrider.reply_queues set expires_at = now() where name = '{late}' returning 1");
            await using var dropping = await OpenAsync(other);
        }

        await using var again = await OpenAsync(late);
        Assert.Equal(PublishStatus.Stored, await SendAsync(late));

        Assert.Equal(late, Assert.Single(await again.ReadAsync(Database.Deadline)).Id);
    }

    private static string NewName() => $"postrider.replies.{Guid.NewGuid():N}"[..42];

    private ValueTask<IReplyReader> OpenAsync(string queue) => ((IReplyQueues)_transport).OpenReplyQueueAsync(queue, Database.Deadline);

    private async Task<PublishStatus> SendAsync(string queue)
    {
        var results = new PublishResult[1];
        await _transport.PublishAsync(new OutgoingMessage[] { new(Destination.Queue(queue), new() { Id = queue }) }, results, Database.Deadline);
        return results[0].Status;
    }
}
