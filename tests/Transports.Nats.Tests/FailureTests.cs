using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Postrider.Brokers;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats.Tests;

/// <summary>What goes wrong is told as what it is, and what can come back does.</summary>
public sealed class FailureTests
{
    [Theory]
    [InlineData("nats://app:p%40ss@db:4333", "db:4333", "nats://app:***@db:4333")]
    [InlineData("nats://db", "db:4222", "nats://db:4222")]
    [InlineData("tls://t0ken@a, tls://b:1", "a:4222,b:1", "tls://***@a:4222,b:1")]
    public void Connection_strings_are_read_and_shown_without_secrets(string text, string where, string shown)
    {
        Assert.Equal(where, ConnectionStrings.Parse(text).Where);
        Assert.Contains(shown, new NatsOptions { ConnectionString = text, Token = "x1y2" }.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("x1y2", new NatsOptions { ConnectionString = text, Token = "x1y2" }.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_is_away_is_unavailable()
    {
        await using var transport = new NatsTransport(new() { ConnectionString = "nats://127.0.0.1:1" });

        var error = await Assert.ThrowsAsync<TransportException>(() => transport.DeclareAsync("q").AsTask());
        var result = Assert.Single(await transport.SendAsync("q", Server.Message("x")));

        Assert.Equal((TransportError.Unavailable, true), (error.Reason, error.IsTransient));
        Assert.Contains("127.0.0.1:1", error.Message, StringComparison.Ordinal);
        Assert.Equal(PublishStatus.NotSent, result.Status);
        Assert.True(Assert.IsType<TransportException>(result.Error).IsTransient);
    }

    [Fact]
    public async Task A_wrong_password_is_refused_credentials()
    {
        Server.Require();
        await using var transport = new NatsTransport(new() { ConnectionString = new UriBuilder(Server.ConnectionString) { Password = "wr0ng" }.ToString() });
        var error = await Assert.ThrowsAsync<TransportException>(() => transport.DeclareAsync("q").AsTask());
        Assert.Equal((TransportError.CredentialsRefused, 77), (error.Reason, error.ExitCode));
        Assert.DoesNotContain("wr0ng", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_JetStream_it_says_how_to_enable_it()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        await using var server = await PrivateBroker.StartNewAsync(
            "nats", Conformance.NatsFixture.Connect,
            folder => File.WriteAllText(Path.Combine(folder.FullName, "extra.conf"), "jetstream: disabled\n"));
        await using var transport = Conformance.NatsFixture.Connect(server.ConnectionString);
        var error = await Assert.ThrowsAsync<TransportException>(() => transport.DeclareAsync("q").AsTask());
        Assert.Equal((TransportError.TopologyMismatch, true), (error.Reason, error.IsFatal));
        Assert.Contains("-js", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stream_of_another_kind_is_a_mismatch_and_missing_ones_are_told()
    {
        Server.Require();
        var prefix = Server.NewQueue("p");
        await Server.AskAsync($"STREAM.CREATE.{prefix}_topics", JsonSerializer.Serialize(new { name = $"{prefix}_topics", subjects = new[] { prefix + ".other" } }));
        await using var transport = new NatsTransport(Server.Options with { Prefix = prefix });
        var error = await Assert.ThrowsAsync<TransportException>(() => transport.DeclareAsync("q").AsTask());
        Assert.Equal((TransportError.TopologyMismatch, 78), (error.Reason, error.ExitCode));
        Assert.Contains(prefix + "_topics", error.Message, StringComparison.Ordinal);

        await using var timid = new NatsTransport(Server.Options with { Prefix = Server.NewQueue("p"), CreateTopology = false });
        error = await Assert.ThrowsAsync<TransportException>(() => timid.DeclareAsync("q").AsTask());
        Assert.Equal(TransportError.TopologyMismatch, error.Reason);
        Assert.Contains("CreateTopology", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("*")]
    [InlineData(">")]
    [InlineData("a b")]
    [InlineData("a\r\nPUB x 0\r\n")]
    [InlineData("$JS.API.STREAM.DELETE.postrider_topics")]
    [InlineData("$SYS.x")]
    [InlineData("a..b")]
    [InlineData(".a")]
    [InlineData("ä")]
    [InlineData("a\0b")]
    public async Task Names_that_mean_something_to_the_server_do_not_get_there(string name)
    {
        Server.Require();
        await using var transport = Server.Transport();
        var results = await transport.PublishAsync(
            new OutgoingMessage(Destination.Queue(name), Server.Message("x")), new(Destination.Topic(name), Server.Message("x")),
            new(Destination.Topic(name), Server.Message("x"), TimeSpan.FromSeconds(1)));
        Assert.All(results, result => Assert.Equal(PublishStatus.Rejected, result.Status));
        await Assert.ThrowsAsync<MessagingConfigurationException>(async () => await transport.OpenAsync(name));
    }

    [Fact]
    public async Task A_message_too_large_for_the_server_says_so_and_its_neighbours_are_stored()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await using var raw = await Server.RawAsync();
        var large = Server.Message("") with { Body = new byte[raw.ServerInfo!.MaxPayload] };

        var results = await transport.SendAsync(queue, [.. Enumerable.Range(0, 200).Select(i => i == 100 ? large : Server.Message($"{i}"))]);

        Assert.All(results.Where((_, i) => i != 100), result => Assert.Equal(PublishStatus.Stored, result.Status));
        Assert.Equal(PublishStatus.Rejected, results[100].Status);
        Assert.Contains("max_payload", results[100].Error!.Message, StringComparison.Ordinal);
        await using var receiver = await transport.OpenAsync(queue);
        Assert.Equal(199, (await receiver.DrainAsync(199)).Count);
    }

    [Fact]
    public async Task While_the_store_is_full_publishes_are_not_sent_and_they_go_on_when_there_is_room()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        await using var server = await PrivateBroker.StartNewAsync(
            "nats", Conformance.NatsFixture.Connect,
            folder => File.WriteAllText(Path.Combine(folder.FullName, "extra.conf"), "jetstream { store_dir: \"@DIR@/data\", max_file_store: 4MB }\n"));
        await using var transport = Conformance.NatsFixture.Connect(server.ConnectionString);
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        var stored = new List<string>();
        PublishResult last;
        do
        {
            var message = Server.Message("") with { Body = new byte[100_000] };
            last = Assert.Single(await transport.SendAsync(queue, message));
            if (last.Status == PublishStatus.Stored)
            {
                stored.Add(message.Id);
            }
        }
        while (last.Status == PublishStatus.Stored && stored.Count < 100);

        Assert.Equal(PublishStatus.NotSent, last.Status);
        Assert.True(Assert.IsType<TransportException>(last.Error).IsTransient, last.Error.Message);
        await using var receiver = await transport.OpenAsync(queue, prefetch: 100);
        var taken = await receiver.DrainAsync(stored.Count);
        Assert.Equal(stored.Order(), taken.Select(one => one.Envelope.Id).Order());
        await receiver.SettleAsync([.. taken.Select(Settlement.Ack)]);
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (Assert.Single(await transport.SendAsync(queue, Server.Message("room"))).Status != PublishStatus.Stored)
        {
            await look.WaitForNextTickAsync(Server.Deadline);
        }
    }

    [Fact]
    public async Task A_full_queue_is_not_sent_to_and_takes_more_when_there_is_room()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        var config = JsonNode.Parse((await Server.AskAsync($"STREAM.INFO.postrider_q_{queue}")).GetProperty("config").GetRawText())!;
        (config["max_msgs"], config["discard"]) = (1, "new");
        var answer = await Server.AskAsync($"STREAM.UPDATE.postrider_q_{queue}", config.ToJsonString());
        Assert.False(answer.TryGetProperty("error", out var refused), refused.ToString());

        var results = await transport.SendAsync(queue, Server.Message("1"), Server.Message("2"));

        Assert.Equal([PublishStatus.Stored, PublishStatus.NotSent], results.Select(result => result.Status));
        var error = Assert.IsType<TransportException>(results[1].Error);
        Assert.True(error.IsTransient, error.Message);
        Assert.Contains("(10077)", error.Message, StringComparison.Ordinal);
        await using var receiver = await transport.OpenAsync(queue);
        await receiver.DrainAsync(1);
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (Assert.Single(await transport.SendAsync(queue, Server.Message("3"))).Status != PublishStatus.Stored)
        {
            await look.WaitForNextTickAsync(Server.Deadline);
        }
    }

    [Fact]
    public async Task A_publish_that_nobody_answers_is_unknown_after_the_command_timeout()
    {
        Server.Require();
        var timeout = TimeSpan.FromSeconds(1);
        await using var transport = new NatsTransport(Server.Options with { CommandTimeout = timeout });
        // There is no stream for it, and someone who listens and says nothing.
        var queue = Server.NewQueue();
        await using var raw = await Server.RawAsync();
        await using var silent = await raw.SubscribeCoreAsync<string>("postrider.q." + queue, cancellationToken: Server.Deadline);
        await raw.PingAsync(Server.Deadline);
        var start = Stopwatch.GetTimestamp();

        var result = Assert.Single(await transport.SendAsync(queue, Server.Message("x")));

        Assert.Equal(PublishStatus.Unknown, result.Status);
        var error = Assert.IsType<TransportException>(result.Error);
        Assert.Equal((TransportError.Timeout, true), (error.Reason, error.IsTransient));
        Assert.InRange(Stopwatch.GetElapsedTime(start), timeout * 0.9, timeout * 5);
        Assert.True(silent.Msgs.TryRead(out _));
    }

    [Fact]
    public async Task A_failed_publish_does_not_use_up_its_id_and_the_topic_is_part_of_it()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var (queue, one, two) = (Server.NewQueue(), Server.NewQueue("t"), Server.NewQueue("t"));
        var message = Server.Message("x");
        Assert.Equal(PublishStatus.Unroutable, Assert.Single(await transport.SendAsync(queue, message)).Status);
        Assert.Equal(PublishStatus.Unroutable, Assert.Single(await PublishAsync(one)).Status);

        await transport.BindAsync(queue, one, two);

        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.SendAsync(queue, message)).Status);
        Assert.Equal(PublishStatus.Stored, Assert.Single(await PublishAsync(one)).Status);
        Assert.Equal(PublishStatus.Duplicate, Assert.Single(await PublishAsync(one)).Status);
        Assert.Equal(PublishStatus.Stored, Assert.Single(await PublishAsync(two)).Status);

        Task<PublishResult[]> PublishAsync(string topic) => transport.PublishAsync(new OutgoingMessage(Destination.Topic(topic), message with { Topic = topic }));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_stream_or_consumer_that_is_deleted_while_receiving_ends_the_receiver_soon(bool stream)
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await using var receiver = await transport.OpenAsync(queue);
        var waiting = receiver.ReceiveAsync(1, Server.Deadline).AsTask();

        await Server.AskAsync(stream ? $"STREAM.DELETE.postrider_q_{queue}" : $"CONSUMER.DELETE.postrider_q_{queue}.ready");

        var error = await Assert.ThrowsAsync<TransportException>(() => waiting.WaitAsync(TimeSpan.FromSeconds(3)));
        Assert.Equal((TransportError.QueueNotFound, false), (error.Reason, error.IsTransient));
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, Server.Message("again"));
        await using var other = await transport.OpenAsync(queue);
        Assert.Equal("again", (await other.OneAsync()).Text());
    }
}
