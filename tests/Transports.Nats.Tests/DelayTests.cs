using System.Diagnostics;
using Postrider.Brokers;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats.Tests;

/// <summary>Delays: many, over a kill of the server, and over the end of a process.</summary>
[Collection("Scenarios that kill a broker")]
public sealed class DelayTests
{
    [Fact]
    public async Task Five_thousand_that_wait_hold_up_none_that_are_ready()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.PublishAsync([.. Enumerable.Range(0, 5000).Select(i => new OutgoingMessage(Destination.Queue(queue), Server.Message($"{i}"), TimeSpan.FromHours(1)))]);
        await using var receiver = await transport.OpenAsync(queue, prefetch: 10);
        // Until the pump has taken up and given back all of them.
        while ((await Server.AskAsync($"CONSUMER.INFO.postrider_q_{queue}.parked")).GetProperty("num_pending").GetInt32() > 0)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, TestContext.Current.CancellationToken);
        }

        var start = Stopwatch.GetTimestamp();
        await transport.SendAsync(queue, [.. Enumerable.Range(0, 100).Select(i => Server.Message($"ready {i}"))]);
        Assert.All(await receiver.DrainAsync(100), one => Assert.StartsWith("ready", one.Text(), StringComparison.Ordinal));
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(5));
        await receiver.NothingAsync();
    }

    [Fact]
    public async Task Over_a_kill_delays_are_never_early_and_none_is_lost()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        await using var server = await PrivateBroker.StartNewAsync("nats", Conformance.NatsFixture.Connect);
        await using var transport = Conformance.NatsFixture.Connect(server.ConnectionString);
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        var receiver = await transport.OpenAsync(queue);
        var (due, start) = (new Dictionary<string, TimeSpan>(), Stopwatch.GetTimestamp());
        var batch = Enumerable.Range(0, 200).Select(i => new OutgoingMessage(Destination.Queue(queue), Server.Message($"{i}"), TimeSpan.FromMilliseconds(1000 + (i * 20)))).ToArray();
        foreach (var message in batch)
        {
            due[message.Envelope.Id] = message.Delay;
        }

        Assert.All(await transport.PublishAsync(batch), result => Assert.Equal(PublishStatus.Stored, result.Status));
        // In the middle of them, when some have arrived, some are due, some moved and some waiting.
        var arrived = new HashSet<string>();
        await ReceiveAsync(70);
        await server.KillAsync(Server.Deadline);
        await server.StartAsync();
        await ReceiveAsync(batch.Length);

        async Task ReceiveAsync(int count)
        {
            using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
            while (arrived.Count < count)
            {
                try
                {
                    foreach (var one in await receiver.ReceiveAsync(50, Server.Deadline))
                    {
                        var after = Stopwatch.GetElapsedTime(start);
                        Assert.True(after >= due[one.Envelope.Id], $"{one.Text()} came after {after}, and was due after {due[one.Envelope.Id]}.");
                        Assert.Equal(SettleStatus.Settled, Assert.Single(await receiver.SettleAsync(Settlement.Ack(one))).Status);
                        arrived.Add(one.Envelope.Id);
                    }
                }
                catch (TransportException e) when (e.IsTransient)
                {
                    await pause.WaitForNextTickAsync(Server.Deadline);
                }
            }
        }

        await receiver.DisposeAsync();
    }

    [Fact]
    public async Task What_a_process_had_in_hand_when_it_ended_is_moved_by_another()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.PublishAsync([.. Enumerable.Range(0, 100).Select(i => new OutgoingMessage(Destination.Queue(queue), Server.Message($"{i}"), TimeSpan.FromMilliseconds(500)))]);
        await using (var ending = Server.Transport())
        {
            await ending.OpenAsync(queue);
        }

        await using var receiver = await transport.OpenAsync(queue);
        Assert.Equal(100, (await receiver.DrainAsync(100)).Select(one => one.Envelope.Id).Distinct().Count());
    }

    /// <summary>The server may be handing a message to a process that is just ending, which never sees it then.</summary>
    [Fact]
    public async Task What_is_on_its_way_to_a_process_that_ends_is_not_late()
    {
        Server.Require();
        var delay = TimeSpan.FromMilliseconds(400);
        var late = await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            var latest = TimeSpan.Zero;
            await using var transport = Server.Transport();
            for (var i = 0; i < 8; i++)
            {
                var queue = Server.NewQueue();
                await transport.DeclareAsync(queue);
                var start = Stopwatch.GetTimestamp();
                var ending = await transport.OpenAsync(queue);
                var publishing = transport.PublishAsync([new(Destination.Queue(queue), Server.Message("delayed"), delay)]);
                await Task.WhenAll(publishing, ending.DisposeAsync().AsTask());
                await using var receiver = await transport.OpenAsync(queue);
                await receiver.DrainAsync(1);
                var after = Stopwatch.GetElapsedTime(start) - delay;
                latest = after > latest ? after : latest;
            }

            return latest;
        }));

        Assert.InRange(late.Max(), TimeSpan.Zero, TimeSpan.FromSeconds(2));
    }
}
