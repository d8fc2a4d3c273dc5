using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats.Tests;

/// <summary>How much is asked for at once, and pulls whose end the server does not tell.</summary>
[Collection("Scenarios that kill a broker")]
public sealed class PullTests
{
    /// <summary>
    /// NATS 2.9 drops a pull in silence when its time is over just as there is a message for it: in a steady flow, several in a second. Whoever believes
    /// it to be open waits for nothing.
    /// </summary>
    [Fact]
    public async Task A_steady_flow_is_not_held_up_by_pulls_that_end_unheard()
    {
        const int Window = 512;
        const int Messages = 1000;
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await using var receiver = await transport.OpenAsync(queue, prefetch: Window);
        var start = Stopwatch.GetTimestamp();
        var publishing = Task.Run(PublishAsync, TestContext.Current.CancellationToken);
        var longest = TimeSpan.Zero;
        for (var received = 0; received < Messages;)
        {
            var batch = await receiver.ReceiveAsync(Window, Server.Deadline);
            foreach (var one in batch)
            {
                var sent = TimeSpan.FromTicks(long.Parse(one.Text(), CultureInfo.InvariantCulture));
                longest = TimeSpan.FromTicks(Math.Max(longest.Ticks, (Stopwatch.GetElapsedTime(start) - sent).Ticks));
            }

            await receiver.SettleAsync([.. batch.Select(Settlement.Ack)]);
            received += batch.Count;
        }

        await publishing;
        Assert.InRange(longest, TimeSpan.Zero, TimeSpan.FromSeconds(1.5));

        async Task PublishAsync()
        {
            using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
            for (var sent = 0; sent < Messages; sent++)
            {
                await pause.WaitForNextTickAsync(TestContext.Current.CancellationToken);
                await transport.SendAsync(queue, Server.Message(Stopwatch.GetElapsedTime(start).Ticks.ToString(CultureInfo.InvariantCulture)));
            }
        }
    }

    /// <summary>The server takes note of hand-backs beside everything else: whoever comes on another connection would get what nobody has had yet.</summary>
    [Fact]
    public async Task What_an_ordered_receiver_has_handed_back_comes_first_for_whoever_asks_then()
    {
        Server.Require();
        await using var transport = Server.Transport();
        using var other = await RawNats.ConnectAsync(Server.ConnectionString);
        for (var round = 0; round < 20; round++)
        {
            var queue = Server.NewQueue();
            await transport.DeclareAsync(queue);
            await transport.SendAsync(queue, Server.Message("first"), Server.Message("second"));
            await using var receiver = await transport.OpenReceiverAsync(new() { Queue = queue, Prefetch = 1, KeepsOrder = true }, Server.Deadline);
            var taken = await receiver.OneAsync();
            await receiver.StopAsync(Server.Deadline);

            await receiver.SettleAsync(Settlement.Release(taken));

            var next = await other.RequestAsync($"$JS.API.CONSUMER.MSG.NEXT.postrider_q_{queue}.ready", """{"batch":1,"expires":20000000000}""");
            Assert.Equal("first", next.Body);
        }
    }

    /// <summary>The server cuts off whoever lets 64 MiB wait for him, and everything that was on its way counts as handed out.</summary>
    [Fact]
    public async Task Large_messages_are_pulled_a_few_megabytes_at_a_time()
    {
        const int Messages = 40;
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        for (var i = 0; i < Messages; i++)
        {
            await transport.SendAsync(queue, Large(1024 * 1024));
        }

        var pulls = new ConcurrentQueue<JsonElement>();
        await using var spy = await Server.RawAsync();
        await using var heard = await spy.SubscribeCoreAsync<string>($"$JS.API.CONSUMER.MSG.NEXT.postrider_q_{queue}.>", cancellationToken: Server.Deadline);
        await spy.PingAsync(Server.Deadline);
        var listening = Task.Run(async () =>
        {
            await foreach (var pull in heard.Msgs.ReadAllAsync(CancellationToken.None))
            {
                pulls.Enqueue(JsonDocument.Parse(pull.Data!).RootElement);
            }
        }, TestContext.Current.CancellationToken);
        await using var receiver = await transport.OpenAsync(queue, prefetch: 512);
        for (var received = 0; received < Messages;)
        {
            var batch = await receiver.ReceiveAsync(512, Server.Deadline);
            Assert.All(batch, static one => Assert.Equal(0, one.Redeliveries));
            await receiver.SettleAsync([.. batch.Select(Settlement.Ack)]);
            received += batch.Count;
        }

        await spy.PingAsync(Server.Deadline);
        await heard.UnsubscribeAsync();
        await listening;
        Assert.InRange(pulls.Count, Messages / 4, 1000);
        Assert.All(pulls, static pull => Assert.InRange(pull.GetProperty("max_bytes").GetInt64(), 1, 4 * 1024 * 1024));
    }

    [Fact]
    public async Task A_message_that_is_larger_than_a_pull_is_received_nevertheless()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, Server.Message("before"), Large(6 * 1024 * 1024), Server.Message("after"));
        await using var receiver = await transport.OpenAsync(queue, prefetch: 512);

        var all = await receiver.DrainAsync(3);

        Assert.Equal([6, 6 * 1024 * 1024, 5], all.Select(static one => one.Envelope.Body.Length));
    }

    [Fact]
    public async Task A_delayed_message_that_is_larger_than_a_pull_is_received_nevertheless()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await using var receiver = await transport.OpenAsync(queue);
        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.PublishAsync(
            new OutgoingMessage(Destination.Queue(queue), Large(6 * 1024 * 1024), TimeSpan.FromMilliseconds(500)))).Status);

        Assert.Equal(6 * 1024 * 1024, (await receiver.OneAsync()).Envelope.Body.Length);
    }

    private static Envelope Large(int bytes) => Server.Message("") with { Body = new byte[bytes], ContentType = "application/octet-stream" };
}
