using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>One ack for many settles what it is meant to, and nothing besides.</summary>
public sealed class SettlementTests
{
    [Theory]
    [InlineData("1 2 3 4 5 6 7 8 9")]
    [InlineData("9 4 6 1 3 8 2 7 5")]
    [InlineData("5 6|1 2|9|3|8 7|4")]
    [InlineData("9|8|7|6|5|4|3|2|1")]
    public async Task When_all_but_the_first_are_acked_exactly_the_first_comes_again(string batches)
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, [.. Enumerable.Range(0, 10).Select(i => Server.Message("1", $"{i}"))]);
        await using (var receiver = await transport.OpenAsync(queue))
        {
            var taken = new List<Delivery>();
            while (taken.Count < 10)
            {
                taken.AddRange(await receiver.ReceiveAsync(10 - taken.Count, Server.Deadline));
            }

            Assert.Equal(Enumerable.Range(0, 10), taken.Select(one => int.Parse(one.Envelope.Id, null)));
            foreach (var batch in batches.Split('|'))
            {
                var results = await receiver.SettleAsync([.. batch.Split(' ').Select(i => Settlement.Ack(taken[int.Parse(i, null)]))]);
                Assert.All(results, result => Assert.Equal(SettleStatus.Settled, result.Status));
            }
        }

        await using (var receiver = await transport.OpenAsync(queue))
        {
            var again = Assert.Single(await receiver.ReceiveAsync(10, Server.Deadline));
            Assert.Equal("0", again.Envelope.Id);
            await NothingAsync(receiver);
            Assert.Equal(SettleStatus.Settled, Assert.Single(await receiver.SettleAsync(Settlement.Ack(again))).Status);
        }

        await using var last = await transport.OpenAsync(queue);
        await NothingAsync(last);
    }

    private static async Task NothingAsync(IReceiver receiver)
    {
        using var quiet = new CancellationTokenSource(TimeSpan.FromMilliseconds(500));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await receiver.ReceiveAsync(10, quiet.Token));
    }
}
