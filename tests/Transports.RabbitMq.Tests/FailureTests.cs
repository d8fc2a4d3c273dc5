using System.Net;
using System.Net.Sockets;
using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>Servers that are away or refuse, things that vanish or are different, and names that are meant badly.</summary>
public sealed class FailureTests
{
    private const string Secret = "s3cr3t!pass";

    [Theory]
    [InlineData("amqp://u:" + Secret + "@h:x/", "cannot be read")]
    [InlineData("amqp://u:a/" + Secret + "@h/", "cannot be read")]
    [InlineData("http://u:" + Secret + "@h/", "cannot be read")]
    [InlineData("amqp://u:" + Secret + "@h/?heartbeat=5", "parameters")]
    [InlineData(Secret, "cannot be read")]
    [InlineData(" ", "empty")]
    public void A_wrong_connection_string_is_refused_without_a_word_of_it(string connectionString, string part)
    {
        var options = new RabbitMqOptions { ConnectionString = connectionString };
        var error = Assert.Throws<MessagingConfigurationException>(() => new RabbitMqTransport(options));
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, error + options.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("amqp://us%40er:pa%3Ass%2F@[::1]:6000/my%2Fhost", "us@er", "pa:ss/", "::1", 6000, "my/host", false)]
    [InlineData("amqps://u:pass-1@h", "u", "pass-1", "h", 5671, "/", true)]
    [InlineData("amqp://h/", null, null, "h", 5672, "/", false)]
    public void The_form_is_read_and_shown_without_the_password(string text, string? user, string? password, string host, int port, string vhost, bool tls)
    {
        Assert.Equal(new Address(host, port, vhost, user, password, tls), Address.Parse(text));
        Assert.DoesNotContain(password ?? "\0", new RabbitMqOptions { ConnectionString = text }.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Options_that_make_no_sense_are_refused()
    {
        var good = new RabbitMqOptions { ConnectionString = "amqp://h" };
        foreach (var bad in (RabbitMqOptions[])[
            good with { ConnectTimeout = default }, good with { CommandTimeout = TimeSpan.FromHours(2) }, good with { ConsumerTimeout = default },
            good with { MaxMessageBytes = 0 }, good with { ApplicationName = "" }, good with { Tls = new() }])
        {
            Assert.Throws<MessagingConfigurationException>(() => new RabbitMqTransport(bad));
        }
    }

    [Fact]
    public async Task A_server_that_is_away_is_unavailable()
    {
        using var port = new TcpListener(IPAddress.Loopback, 0);
        port.Start();
        var number = ((IPEndPoint)port.LocalEndpoint).Port;
        port.Stop();
        await using var transport = Server.Transport($"amqp://u:{Secret}@127.0.0.1:{number}/");
        var error = await Assert.ThrowsAsync<TransportException>(async () => await transport.DeclareAsync("a"));
        Assert.Equal(TransportError.Unavailable, error.Reason);
        Assert.Contains($"127.0.0.1:{number}", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, error.ToString(), StringComparison.Ordinal);
        var result = Assert.Single(await transport.SendAsync("a", Server.Message("1")));
        Assert.Equal((PublishStatus.NotSent, true), (result.Status, Assert.IsType<TransportException>(result.Error).IsTransient));
    }

    [Fact]
    public async Task A_server_that_says_nothing_is_a_time_out()
    {
        using var port = new TcpListener(IPAddress.Loopback, 0);
        port.Start();
        await using var transport = new RabbitMqTransport(new() { ConnectionString = $"amqp://127.0.0.1:{((IPEndPoint)port.LocalEndpoint).Port}", ConnectTimeout = TimeSpan.FromMilliseconds(500) });
        var error = await Assert.ThrowsAsync<TransportException>(async () => await transport.DeclareAsync("a"));
        Assert.True(error.IsTransient, error.ToString());
    }

    [Fact]
    public async Task Wrong_passwords_and_virtual_hosts_are_fatal_and_say_so()
    {
        Server.Require();
        var url = new UriBuilder(Server.Url!);
        foreach (var (wrong, reason) in ((string, TransportError)[])[
            (new UriBuilder(Server.Url!) { Password = "wrong" }.Uri.OriginalString, TransportError.CredentialsRefused),
            (new UriBuilder(Server.Url!) { Path = "/nowhere" }.Uri.OriginalString, TransportError.TopologyMismatch)])
        {
            await using var transport = Server.Transport(wrong);
            foreach (var attempt in (Func<Task>[])[() => transport.DeclareAsync("a").AsTask(), () => transport.OpenAsync("a").AsTask()])
            {
                var error = await Assert.ThrowsAsync<TransportException>(attempt);
                Assert.Equal((reason, true), (error.Reason, error.IsFatal));
                Assert.DoesNotContain(url.Password, error.ToString(), StringComparison.Ordinal);
            }

            Assert.Equal(reason, Assert.IsType<TransportException>(Assert.Single(await transport.SendAsync("a", Server.Message("1"))).Error).Reason);
        }
    }

    [Fact]
    public async Task A_queue_of_another_kind_is_a_mismatch()
    {
        Server.Require();
        var queue = Server.NewQueue();
        await Server.RawAsync(channel => channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false));
        await using var transport = Server.Transport();
        var error = await Assert.ThrowsAsync<TransportException>(async () => await transport.DeclareAsync(queue));
        Assert.Equal((TransportError.TopologyMismatch, true), (error.Reason, error.IsFatal));
        Assert.Contains(queue, error.Message, StringComparison.Ordinal);
        await transport.DeclareAsync(Server.NewQueue());
    }

    [Fact]
    public async Task Without_rights_to_make_things_they_are_only_looked_for()
    {
        Server.Require();
        await using var looking = new RabbitMqTransport(Server.Options with { CreateTopology = false });
        var queue = Server.NewQueue();
        Assert.Equal(TransportError.QueueNotFound, (await Assert.ThrowsAsync<TransportException>(async () => await looking.DeclareAsync(queue))).Reason);
        await using var making = Server.Transport();
        await making.DeclareAsync(queue);
        await looking.DeclareAsync(queue);
        Assert.Equal(PublishStatus.Stored, Assert.Single(await looking.SendAsync(queue, Server.Message("1"))).Status);
    }

    [Fact]
    public async Task A_lease_that_the_server_would_not_keep_is_refused()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        var error = await Assert.ThrowsAsync<TransportException>(async () =>
            await transport.OpenReceiverAsync(new() { Queue = queue, Lease = TimeSpan.FromMinutes(31) }, Server.Deadline));
        Assert.True(error.IsFatal);
        Assert.Contains("consumer_timeout", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("amq.gen-x y")]
    [InlineData("q~delay.3")]
    [InlineData("*")]
    [InlineData("#")]
    [InlineData("Größe")]
    [InlineData("a\0b")]
    public async Task Names_that_are_meant_badly_reach_no_broker(string name)
    {
        Server.Require();
        await using var transport = Server.Transport();
        Assert.Throws<MessagingConfigurationException>(() => new Topology([name], []));
        await Assert.ThrowsAsync<MessagingConfigurationException>(async () => await transport.OpenAsync(name));
        var results = await transport.PublishAsync(
            new OutgoingMessage(Destination.Queue(name), Server.Message("1")), new OutgoingMessage(Destination.Topic(name), Server.Message("1")),
            new OutgoingMessage(Destination.Queue(name), Server.Message("1"), TimeSpan.FromSeconds(1)));
        Assert.All(results, result => Assert.Equal(PublishStatus.Rejected, result.Status));
    }

    [Fact]
    public async Task A_body_above_our_limit_is_rejected_before_the_socket()
    {
        Server.Require();
        await using var transport = new RabbitMqTransport(Server.Options with { MaxMessageBytes = 1000 });
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        var results = await transport.SendAsync(queue, Server.Message(new string('x', 1000)), Server.Message(new string('x', 1001)), Server.Message("1"));
        Assert.Equal([PublishStatus.Stored, PublishStatus.Rejected, PublishStatus.Stored], results.Select(result => result.Status));
        Assert.Contains("MaxMessageBytes", results[1].Error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_megabyte_and_more_comes_through()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        var body = new byte[5_000_000];
        new Random(1).NextBytes(body);
        await transport.SendAsync(queue, Server.Message("") with { Body = body });
        await using var receiver = await transport.OpenAsync(queue);
        Assert.True((await receiver.OneAsync()).Envelope.Body.Span.SequenceEqual(body));
    }

    [Fact]
    public async Task A_receiver_whose_queue_is_deleted_says_so()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, Server.Message("1"));
        await using var receiver = await transport.OpenAsync(queue);
        var held = await receiver.OneAsync();
        var waiting = receiver.ReceiveAsync(1, Server.Deadline).AsTask();
        await Server.DeleteQueueAsync(queue);

        // RabbitMQ 4 ends the subscription a moment before it knows the queue no more; then the next call finds that out.
        var error = await Assert.ThrowsAsync<TransportException>(() => waiting);
        Assert.True(error.IsTransient || error.Reason == TransportError.QueueNotFound, error.ToString());
        Assert.Equal(TransportError.QueueNotFound, (await Assert.ThrowsAsync<TransportException>(async () => await receiver.OneAsync())).Reason);
        Assert.NotEqual(SettleStatus.Failed, Assert.Single(await receiver.SettleAsync(Settlement.Ack(held))).Status);
    }

    [Fact]
    public async Task Disposal_is_bounded_and_may_be_repeated()
    {
        Server.Require();
        var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        var receiver = await transport.OpenAsync(queue);
        var waiting = receiver.ReceiveAsync(1, CancellationToken.None).AsTask();
        await receiver.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(5), TimeProvider.System);
        Assert.Empty(await waiting);
        await receiver.DisposeAsync();
        await transport.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(5), TimeProvider.System);
        await transport.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await transport.DeclareAsync(queue));
        Assert.Equal(PublishStatus.NotSent, Assert.Single(await transport.SendAsync(queue, Server.Message("1"))).Status);
    }

    [Fact]
    public async Task Acks_just_before_a_receiver_is_closed_are_not_lost()
    {
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await transport.SendAsync(queue, [.. Enumerable.Range(0, 1000).Select(i => Server.Message("1", $"{i:d4}"))]);
        var seen = new HashSet<string>();
        while (seen.Count < 1000)
        {
            await using var receiver = await transport.OpenReceiverAsync(new() { Queue = queue, Prefetch = 200 }, Server.Deadline);
            var taken = new List<Delivery>();
            while (taken.Count < 200)
            {
                taken.AddRange(await receiver.ReceiveAsync(200 - taken.Count, Server.Deadline));
            }

            Assert.All(taken, one => Assert.True(seen.Add(one.Envelope.Id), $"{one.Envelope.Id} came again."));
            await receiver.StopAsync(Server.Deadline);
            await receiver.SettleAsync([.. taken.Select(Settlement.Ack)]);
        }
    }
}
