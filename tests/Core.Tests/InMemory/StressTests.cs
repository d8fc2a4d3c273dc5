using System.Collections.Concurrent;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.InMemory;

public sealed class StressTests
{
    private const int Publishers = 50;
    private const int Each = 200;
    private const int All = Publishers * Each;

    [Theory]
    [InlineData(false)]
    [InlineData(true)] // also with cancelled receives, releases and retries
    public async Task Nothing_is_lost_or_doubled_among_fifty_publishers_and_four_receivers(bool disturbed)
    {
        await using var bench = await Bench.StartAsync();
        var handled = new ConcurrentDictionary<string, int>();
        IReceiver[] receivers = [await bench.OpenAsync(), await bench.OpenAsync(), await bench.OpenAsync(), await bench.OpenAsync()];
        var receiving = receivers.Select((receiver, i) => HandleAsync(receiver, new Random(i), disturbed, handled, StopAllAsync)).ToArray();

        await PublishAllAsync(bench);
        await Task.WhenAll(receiving).WaitAsync(TimeSpan.FromMinutes(1), Bench.Token);

        Assert.Equal(All, handled.Count);
        Assert.All(handled, pair => Assert.Equal(1, pair.Value));
        await Bench.NothingThereAsync(await bench.OpenAsync());

        async Task StopAllAsync()
        {
            foreach (var receiver in receivers)
            {
                await receiver.StopAsync(Bench.Token);
            }
        }
    }

    private static Task PublishAllAsync(Bench bench) =>
        Task.WhenAll(Enumerable.Range(0, Publishers).Select(publisher => Task.Run(() => PublishAsync(bench, publisher))));

    private static async Task PublishAsync(Bench bench, int publisher)
    {
        for (var i = 0; i < Each; i += 2)
        {
            var results = new PublishResult[2];
            await bench.Transport.PublishAsync(
                new OutgoingMessage[]
                {
                    new(Destination.Queue(Bench.Queue), Bench.Message($"{publisher}/{i}")),
                    new(Destination.Topic("orders.placed"), Bench.Message($"{publisher}/{i + 1}")),
                },
                results,
                Bench.Token);
            Assert.All(results, result => Assert.Equal(PublishStatus.Stored, result.Status));
            await Task.Yield();
        }
    }

    /// <summary>Handles until all messages were acked. The clock stands still, so that every redelivery would be a fault.</summary>
    private static async Task HandleAsync(
        IReceiver receiver, Random random, bool disturbed, ConcurrentDictionary<string, int> handled, Func<Task> stopAll)
    {
        await Task.Yield();
        while (await ReceiveAsync(receiver, random, disturbed) is { Count: > 0 } deliveries)
        {
            var settlements = new Settlement[deliveries.Count];
            for (var i = 0; i < settlements.Length; i++)
            {
                Assert.Equal(0, deliveries[i].Redeliveries);
                settlements[i] = (disturbed ? random.Next(6) : 0) switch
                {
                    4 => Settlement.Release(deliveries[i]),
                    5 => Settlement.Retry(deliveries[i], TimeSpan.Zero),
                    _ => Settlement.Ack(deliveries[i]),
                };
                if (settlements[i].Kind == SettlementKind.Ack)
                {
                    handled.AddOrUpdate(deliveries[i].Envelope.Id, 1, (_, count) => count + 1);
                }
            }

            var results = new SettleResult[settlements.Length];
            await receiver.SettleAsync(settlements, results, Bench.Token);
            Assert.All(results, result => Assert.Equal(SettleResult.Settled, result));
            if (handled.Count == All)
            {
                await stopAll();
            }
        }
    }

    private static async Task<IReadOnlyList<Delivery>> ReceiveAsync(IReceiver receiver, Random random, bool cancelNowAndThen)
    {
        while (true)
        {
            using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Bench.Token);
            var pending = receiver.ReceiveAsync(random.Next(1, 40), cancel.Token).AsTask();
            var cancelling = cancelNowAndThen && random.Next(3) == 0 ? Task.Run(cancel.Cancel, Bench.Token) : Task.CompletedTask;
            try
            {
                return await pending;
            }
            catch (OperationCanceledException) when (!Bench.Token.IsCancellationRequested)
            {
            }
            finally
            {
                await cancelling;
            }
        }
    }
}
