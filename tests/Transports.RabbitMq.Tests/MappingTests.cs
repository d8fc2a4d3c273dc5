using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Postrider.Brokers;
using Postrider.Core.Transport;
using RabbitMQ.Client;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>Topics that go to exchanges and queues which others have made, and queues of others that are consumed.</summary>
public sealed class MappingTests
{
    private readonly string _queue = Server.NewQueue("Legacy");
    private readonly string _exchange = Server.NewQueue("Legacy Orders");
    private readonly string _topic = Server.NewQueue("t") + ".placed";

    [Theory]
    [InlineData(ExchangeType.Direct, "created")]
    [InlineData(ExchangeType.Fanout, "")]
    [InlineData(ExchangeType.Topic, "#")]
    public async Task A_message_goes_through_the_exchange_as_a_plain_one_and_nowhere_else(string type, string bound)
    {
        Server.Require();
        await MakeAsync(type, bound);
        var own = Server.NewQueue();
        await using var transport = new RabbitMqTransport(Server.Options.MapTopic(_topic, _exchange, "created"));
        await transport.DeclareAsync(new Topology([own], [new(_topic, own)]), Server.Deadline);

        var result = Assert.Single(await transport.PublishAsync(OnTopic("1", new Dictionary<string, string> { ["tenant"] = "a" })));

        Assert.Equal(PublishStatus.Stored, result.Status);
        var got = await GetAsync();
        Assert.Equal(("1", "created", _exchange), (Encoding.UTF8.GetString(got.Body.Span), got.RoutingKey, got.Exchange));
        Assert.Equal((_topic, "a"), (Header(got, "x-postrider-topic"), Header(got, "tenant")));
        // Once the next message of its publisher is there, an earlier one would be.
        await transport.SendAsync(own, Server.Message("end"));
        await using var receiver = await transport.OpenAsync(own);
        Assert.Equal("end", (await receiver.OneAsync()).Text());
    }

    [Fact]
    public async Task Without_a_routing_key_it_is_the_topic()
    {
        Server.Require();
        await MakeAsync(ExchangeType.Direct, _topic);
        await using var transport = new RabbitMqTransport(Server.Options.MapTopic(_topic, _exchange));
        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.PublishAsync(OnTopic("1"))).Status);
        Assert.Equal(_topic, (await GetAsync()).RoutingKey);
    }

    [Fact]
    public async Task A_headers_exchange_matches_what_the_mapping_and_the_message_say()
    {
        Server.Require();
        await MakeAsync(ExchangeType.Headers, "", new()
        {
            ["x-match"] = "all",
            ["kind"] = "order",
            ["version"] = 2,
            ["size"] = 5_000_000_000L,
            ["paid"] = true,
            ["tenant"] = "a",
        });
        await using var transport = new RabbitMqTransport(Server.Options.MapTopic(_topic, _exchange, headers: new Dictionary<string, object>
        {
            ["kind"] = "order",
            ["version"] = 2,
            ["size"] = 5_000_000_000L,
            ["paid"] = true,
            ["tenant"] = "b",
            ["share"] = 0.5,
        }));

        var results = await transport.PublishAsync(OnTopic("no"), OnTopic("yes", new Dictionary<string, string> { ["tenant"] = "a" }));

        // What the message says itself counts.
        Assert.Equal([PublishStatus.Unroutable, PublishStatus.Stored], results.Select(static one => one.Status));
        var got = await GetAsync();
        Assert.Equal("yes", Encoding.UTF8.GetString(got.Body.Span));
        Assert.Equal((2, 0.5, "a"), ((int)got.BasicProperties.Headers!["version"]!, (double)got.BasicProperties.Headers["share"]!, Header(got, "tenant")));
    }

    [Fact]
    public async Task The_default_exchange_leads_to_a_queue_of_any_name()
    {
        Server.Require();
        await Server.RawAsync(channel => channel.QueueDeclareAsync(_queue, durable: true, exclusive: false, autoDelete: false));
        await using var transport = new RabbitMqTransport(Server.Options.MapTopic(_topic, "", _queue).MapTopic(_topic + "2", "", _queue + "?"));

        var results = await transport.PublishAsync(OnTopic("1"), OnTopic("2", topic: _topic + "2"));

        Assert.Equal(PublishStatus.Stored, results[0].Status);
        Assert.Equal(_topic, Header(await GetAsync(), "x-postrider-topic"));
        Refused.Is(results[1], $"'{_topic}2', which is mapped to the queue '{_queue}?'", "there is no such queue");
    }

    [Fact]
    public async Task An_exchange_that_is_missing_or_goes_is_an_error_of_its_messages_alone()
    {
        Server.Require();
        var (own, gone) = (Server.NewQueue(), Server.NewQueue("gone"));
        await MakeAsync(ExchangeType.Fanout);
        await using var transport = new RabbitMqTransport(Server.Options.MapTopic(_topic, _exchange).MapTopic("gone", gone, "k"));
        await transport.DeclareAsync(own);
        var missing = OnTopic("2", topic: "gone");

        // Others on every side of it, in one batch and beside it.
        var beside = Task.WhenAll(Enumerable.Range(0, 20).Select(_ => transport.SendAsync(own, Server.Message("beside"))));
        var refused = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => transport.PublishAsync(missing)));
        var batch = await transport.PublishAsync(To(own), missing, OnTopic("3"), To(own));
        Assert.All(await beside, static one => Assert.Equal(PublishStatus.Stored, one[0].Status));
        Assert.All(refused, one => Refused.Is(one[0], $"'gone', which is mapped to the exchange '{gone}', routing key 'k'", "there is no such exchange"));
        Assert.Equal([PublishStatus.Stored, PublishStatus.Rejected, PublishStatus.Stored, PublishStatus.Stored], batch.Select(static one => one.Status));

        // It comes, and then it goes. The broker closes the channel once, which does not concern our own topology, and no further time.
        await Server.RawAsync(async channel =>
        {
            await channel.ExchangeDeclareAsync(gone, ExchangeType.Fanout);
            await channel.QueueBindAsync(_queue, gone, "");
        });
        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.PublishAsync(missing)).Status);
        await Server.RawAsync(channel => channel.ExchangeDeleteAsync(gone));
        beside = Task.WhenAll(Enumerable.Range(0, 20).Select(_ => transport.SendAsync(own, Server.Message("beside"))));
        var first = Assert.Single(await transport.PublishAsync(missing));
        Assert.Equal((PublishStatus.Unknown, true), (first.Status, Assert.IsType<TransportException>(first.Error).IsTransient));
        Refused.Is(Assert.Single(await transport.PublishAsync(missing)), "there is no such exchange");
        Assert.All(await beside, static one => Assert.Equal(PublishStatus.Stored, one[0].Status));
        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.PublishAsync(OnTopic("4"))).Status);
    }

    [Fact]
    public async Task The_bus_reports_a_missing_exchange_at_once()
    {
        Server.Require();
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Services.AddMessaging().UseRabbitMq(_ => Server.Options.MapTopic("orders.placed", _exchange));
        using var host = builder.Build();
        await host.StartAsync(Server.Deadline);

        var e = await Assert.ThrowsAsync<PublishException>(async () =>
            await host.Services.GetRequiredService<IMessageBus>().PublishAsync("text", new() { Topic = "orders.placed" }, Server.Deadline));

        Assert.Equal(PublishStatus.Rejected, e.Status);
        Assert.Contains($"'{_exchange}'", e.Message, StringComparison.Ordinal);
        await host.StopAsync(Server.Deadline);
    }

    [Fact]
    public async Task An_exchange_that_leads_nowhere_is_a_topic_without_a_queue()
    {
        Server.Require();
        await MakeAsync(ExchangeType.Direct, "other");
        await using var transport = new RabbitMqTransport(Server.Options.MapTopic(_topic, _exchange));
        var result = Assert.Single(await transport.PublishAsync(OnTopic("1")));
        Assert.Equal(PublishStatus.Unroutable, result.Status);
        Assert.Contains($"mapped to the exchange '{_exchange}'", result.Error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_exchange_that_takes_nothing_from_us_is_an_error_of_its_messages_alone()
    {
        Server.Require();
        await MakeAsync(ExchangeType.Fanout);
        // It is internal: for the broker's own messages only.
        const string Closed = "amq.rabbitmq.trace";
        await using var transport = new RabbitMqTransport(Server.Options.MapTopic(_topic, _exchange).MapTopic("closed", Closed));

        var results = await transport.PublishAsync(OnTopic("1", topic: "closed"), OnTopic("2"));

        Refused.Is(results[0], $"mapped to the exchange '{Closed}'", "may not publish there");
        // It was on the channel that the broker closed, and is published again by the bus.
        Assert.True(results[1].Status == PublishStatus.Stored || Assert.IsType<TransportException>(results[1].Error).IsTransient, results[1].ToString());
        Assert.Equal(PublishStatus.Stored, Assert.Single(await transport.PublishAsync(OnTopic("2"))).Status);
    }

    [Fact]
    public async Task A_delay_is_refused()
    {
        Server.Require();
        await MakeAsync(ExchangeType.Fanout);
        await using var transport = new RabbitMqTransport(Server.Options.MapTopic(_topic, _exchange));
        var result = Assert.Single(await transport.PublishAsync(OnTopic("1") with { Delay = TimeSpan.FromSeconds(1) }));
        Refused.Is(result, "with a delay", _exchange);
    }

    [Fact]
    public void Mappings_that_make_no_sense_are_refused()
    {
        var options = new RabbitMqOptions { ConnectionString = "amqp://h" };
        foreach (var (bad, why) in ((RabbitMqOptions, string)[])[
            (options.MapTopic("a.#", "x"), "illegal"), (options.MapTopic("a", new('x', 256)), "255 bytes"), (options.MapTopic("a", "x", new('ä', 128)), "255 bytes"),
            (options.MapTopic("a", "postrider.topics"), "Postrider's own"), (WithHeader("x-postrider-id", "1"), "'x-postrider-id'"), (WithHeader("CC", "1"), "'CC'"),
            (WithHeader("", "1"), "no name"), (WithHeader("x", 1m), "neither a string"), (WithHeader("x", new string('x', 4096)), "4096 bytes")])
        {
            var e = Assert.Throws<MessagingConfigurationException>(() => new RabbitMqTransport(bad));
            Assert.Contains("cannot map the topic 'a", e.Message, StringComparison.Ordinal);
            Assert.Contains(why, e.Message, StringComparison.Ordinal);
        }

        RabbitMqOptions WithHeader(string name, object value) => options.MapTopic("a", "x", headers: new Dictionary<string, object> { [name] = value });
    }

    [Fact]
    public async Task A_queue_of_ours_that_is_bound_to_an_exchange_of_others_gets_its_messages()
    {
        Server.Require();
        var own = Server.NewQueue();
        await using var transport = Server.Transport();
        await transport.DeclareAsync(own);
        await Server.RawAsync(async channel =>
        {
            await channel.ExchangeDeclareAsync(_exchange, ExchangeType.Direct);
            await channel.QueueBindAsync(own, _exchange, "created");
            await channel.BasicPublishAsync(_exchange, "created", true, new BasicProperties { MessageId = "m" }, "1"u8.ToArray());
        });
        await using var receiver = await transport.OpenAsync(own);
        var got = await receiver.OneAsync();
        Assert.Equal(("m", "1"), (got.Envelope.Id, got.Text()));
        Assert.Equal(SettleStatus.Settled, Assert.Single(await receiver.SettleAsync(Settlement.Ack(got))).Status);
    }

    [Fact]
    public async Task A_classic_queue_of_others_is_consumed_where_we_make_nothing()
    {
        Server.Require();
        var queue = Server.NewQueue("classic");
        await using (var making = Server.Transport())
        {
            await making.DeclareAsync(Server.NewQueue());
        }

        await Server.RawAsync(async channel =>
        {
            foreach (var name in (string[])[queue, queue + ".dlq"])
            {
                await channel.QueueDeclareAsync(name, durable: true, exclusive: false, autoDelete: false);
            }

            foreach (var body in (byte[][])["ack"u8.ToArray(), "retry"u8.ToArray(), "dead"u8.ToArray()])
            {
                await channel.BasicPublishAsync("", queue, true, body);
            }
        });
        await using var transport = new RabbitMqTransport(Server.Options with { CreateTopology = false });
        await transport.DeclareAsync(queue);
        await using (var receiver = await transport.OpenAsync(queue))
        {
            await receiver.SettleAsync(Settlement.Ack(await receiver.OneAsync()));
            await receiver.SettleAsync(Settlement.Retry(await receiver.OneAsync(), TimeSpan.Zero));
            await receiver.SettleAsync(Settlement.DeadLetter(await receiver.OneAsync(), new() { Reason = DeadLetterReason.Rejected, Queue = queue }));
            var again = await receiver.OneAsync();
            Assert.Equal(("retry", 2), (again.Text(), again.Envelope.Attempt));
            await receiver.SettleAsync(Settlement.Ack(again));
        }

        await using var dead = await transport.OpenAsync(queue + ".dlq");
        Assert.Equal("dead", (await dead.OneAsync()).Text());
    }

    private static string Header(BasicGetResult got, string name) => Encoding.UTF8.GetString((byte[])got.BasicProperties.Headers![name]!);

    private static OutgoingMessage To(string queue) => new(Destination.Queue(queue), Server.Message("own"));

    private OutgoingMessage OnTopic(string body, IReadOnlyDictionary<string, string>? headers = null, string? topic = null) =>
        new(Destination.Topic(topic ?? _topic), Server.Message(body) with { Topic = topic ?? _topic, Headers = headers ?? Envelope.NoHeaders });

    private Task MakeAsync(string type, string key = "", Dictionary<string, object?>? arguments = null) => Server.RawAsync(async channel =>
    {
        await channel.ExchangeDeclareAsync(_exchange, type);
        await channel.QueueDeclareAsync(_queue, durable: true, exclusive: false, autoDelete: false);
        await channel.QueueBindAsync(_queue, _exchange, key, arguments);
    });

    private Task<BasicGetResult> GetAsync() => Server.RawAsync(async channel => (await channel.BasicGetAsync(_queue, autoAck: true))!);
}
