using Postrider.Brokers;
using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>Limits of the server that show only when it is set up for it: on nodes of the tests' own.</summary>
[Collection("Scenarios that kill a broker")]
public sealed class LimitTests
{
    [Fact]
    public async Task A_message_above_the_servers_limit_is_rejected_and_its_neighbours_get_through()
    {
        await using var server = await StartAsync("max_message_size = 20000");
        var bodies = Enumerable.Range(0, 200).Select(i => Server.Message(new string('x', i == 77 ? 20_001 : 100), $"{i}")).ToArray();
        // Each one learns of the limit once. Where the others are at that moment is chance, so it is tried often.
        for (var round = 0; round < 20; round++)
        {
            await using var transport = Server.Transport(server.ConnectionString);
            await transport.DeclareAsync("q");
            var results = new PublishResult[bodies.Length];
            await Parallel.ForEachAsync(
                Enumerable.Range(0, bodies.Length),
                new ParallelOptions { MaxDegreeOfParallelism = 32 },
                async (i, _) => results[i] = await SendUntilKnownAsync(transport, bodies[i]));
            for (var i = 0; i < results.Length; i++)
            {
                Assert.True(results[i].Status == (i == 77 ? PublishStatus.Rejected : PublishStatus.Stored), $"{i}: {results[i].Status} {results[i].Error}");
            }

            Assert.Contains("20000", results[77].Error!.Message, StringComparison.Ordinal);
            // Now the limit is known, and another one costs nobody the channel. Under load the client now and then loses the connection over the end
            // of the first one: only what that cost is sent again.
            var again = await UntilKnownAsync(async () =>
            {
                var all = await transport.SendAsync("q", bodies[0], bodies[77], bodies[1]);
                Assert.DoesNotContain("larger than", $"{all[0].Error} {all[2].Error}", StringComparison.Ordinal);
                return all;
            });
            Assert.Equal([PublishStatus.Stored, PublishStatus.Rejected, PublishStatus.Stored], again.Select(result => result.Status));
        }
    }

    [Fact]
    public async Task While_memory_is_short_publishes_are_not_sent_consuming_goes_on_and_nothing_is_lost()
    {
        // With a watermark so low the alarm is there from the start.
        await using var server = await StartAsync("vm_memory_high_watermark.absolute = 1MB");
        await using var transport = Server.Transport(server.ConnectionString);
        await transport.DeclareAsync("q");
        using (var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2)))
        {
            // The first one tells us: it was handed over and is not confirmed.
            var first = new PublishResult[1];
            await transport.PublishAsync(new OutgoingMessage[] { new(Destination.Queue("q"), Server.Message("1", "first")) }, first, patience.Token);
            Assert.Equal(PublishStatus.Unknown, first[0].Status);
        }

        var blocked = Assert.Single(await transport.SendAsync("q", Server.Message("2")));
        Assert.Equal((PublishStatus.NotSent, true), (blocked.Status, Assert.IsType<TransportException>(blocked.Error).IsTransient));
        Assert.Contains("memory", blocked.Error!.Message, StringComparison.Ordinal);
        // Declaring and consuming are another connection.
        await transport.DeclareAsync("q");
        await using var receiver = await transport.OpenAsync("q");
        var receiving = receiver.OneAsync();

        // The end of the alarm: a restart with another watermark.
        await server.StopAsync();
        foreach (var file in (string[])["extra.conf", "rabbitmq.conf"])
        {
            var path = Path.Combine(server.Folder, file);
            await File.WriteAllTextAsync(path, (await File.ReadAllTextAsync(path)).Replace("absolute = 1MB", "absolute = 1GB", StringComparison.Ordinal));
        }

        await server.StartAsync();
        Assert.Equal(PublishStatus.Stored, (await SendUntilKnownAsync(transport, Server.Message("3", "third"))).Status);
        await Assert.ThrowsAsync<TransportException>(() => receiving);
        Assert.Equal("third", (await receiver.OneAsync()).Envelope.Id);
    }

    [Fact]
    public async Task What_is_not_settled_within_the_servers_time_is_given_back_and_the_receiver_goes_on()
    {
        await using var server = await StartAsync("consumer_timeout = 1000");
        await using var transport = new RabbitMqTransport(new() { ConnectionString = server.ConnectionString, ConsumerTimeout = TimeSpan.FromSeconds(40) });
        await transport.DeclareAsync("q");
        await transport.SendAsync("q", Server.Message("1", "slow"));
        await using var receiver = await transport.OpenAsync("q");
        var held = await receiver.OneAsync();
        Delivery? again = null;
        // The first tells why. Under load the client now and then loses the connection over the end of the channel, too.
        var errors = new List<TransportException>();
        for (var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(100)).Token; again is null; deadline.ThrowIfCancellationRequested())
        {
            try
            {
                again = (await receiver.ReceiveAsync(1, deadline))[0];
            }
            catch (TransportException e) when (e.IsTransient)
            {
                errors.Add(e);
            }
        }

        Assert.Equal("slow", again.Envelope.Id);
        if (errors.Count > 0)
        {
            Assert.True(errors[0].Message.Contains("consumer_timeout", StringComparison.Ordinal), errors[0].ToString());
            Assert.Equal(SettleStatus.Lost, Assert.Single(await receiver.SettleAsync(Settlement.Ack(held))).Status);
        }

        Assert.Equal(SettleStatus.Settled, Assert.Single(await receiver.SettleAsync(Settlement.Ack(again))).Status);
    }

    [Fact]
    public async Task The_exchange_of_topics_is_made_again_when_it_is_deleted()
    {
        await using var server = await StartAsync("");
        await using var transport = Server.Transport(server.ConnectionString);
        var topology = new Topology(["q"], [new("t.#", "q")]);
        await transport.DeclareAsync(topology, Server.Deadline);
        Assert.Equal(PublishStatus.Stored, (await PublishUntilKnownAsync(transport)).Status);
        await Server.RawAsync(channel => channel.ExchangeDeleteAsync("postrider.topics"), server.ConnectionString);

        var batch = Enumerable.Range(0, 50).Select(i => Server.Message("1", $"{i}")).Select(message => SendUntilKnownAsync(transport, message)).ToArray();
        // Nothing is bound to the new one until a consumer declares its bindings.
        Assert.Equal(PublishStatus.Unroutable, (await PublishUntilKnownAsync(transport)).Status);
        Assert.All(await Task.WhenAll(batch), result => Assert.Equal(PublishStatus.Stored, result.Status));
        await transport.DeclareAsync(topology, Server.Deadline);
        Assert.Equal(PublishStatus.Stored, (await PublishUntilKnownAsync(transport)).Status);

        static Task<PublishResult> PublishUntilKnownAsync(ITransport transport) =>
            UntilKnownAsync(transport, new OutgoingMessage(Destination.Topic("t.x"), Server.Message("1")));
    }

    private static Task<PrivateBroker> StartAsync(string settings)
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        return PrivateBroker.StartNewAsync(
            "rabbitmq", url => Server.Transport(url), folder => File.WriteAllText(Path.Combine(folder.FullName, "extra.conf"), settings + "\n"));
    }

    private static Task<PublishResult> SendUntilKnownAsync(ITransport transport, Envelope message) =>
        UntilKnownAsync(transport, new OutgoingMessage(Destination.Queue("q"), message));

    private static async Task<PublishResult> UntilKnownAsync(ITransport transport, OutgoingMessage message) =>
        (await UntilKnownAsync(() => transport.PublishAsync(message)))[0];

    /// <summary>As the Core does: again while something is not known and waiting may help.</summary>
    private static async Task<PublishResult[]> UntilKnownAsync(Func<Task<PublishResult[]>> publish)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        for (var deadline = Server.Deadline; ; await pause.WaitForNextTickAsync(deadline))
        {
            var results = await publish();
            if (!results.Any(result => result.Error is TransportException { IsTransient: true }))
            {
                return results;
            }
        }
    }
}
