using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Publishing;

/// <summary>Publish middlewares of one type or some topics, inside those of all.</summary>
public sealed class PublishRulesTests : IAsyncDisposable
{
    private readonly List<string> _steps = [];
    private readonly ScriptedTransport _transport = new();

    public ValueTask DisposeAsync() => _transport.DisposeAsync();

    [Fact]
    public async Task Those_of_types_and_topics_share_one_order_inside_those_of_all()
    {
        await using var host = await StartAsync(messaging => messaging
            .PublishesTo("tests.#", rules => rules.Use(Note("topic 1")).Use<Noting>().Use(Note("topic 2")))
            .UsePublish(Note("all 1"))
            .PublishesOf<Ping>(rules => rules.Use(Note("type 1")).Use<Noting>())
            .PublishesTo("tests.ping", rules => rules.Use(Note("exact")))
            .UsePublish<Noting>()
            .PublishesOf<Ping>(rules => rules.Use(Note("type 2"))));

        await host.Bus.PublishAsync(new Ping(1));

        Assert.Equal(["all 1", "class", "topic 1", "class", "topic 2", "type 1", "class", "exact", "type 2"], _steps);
        Assert.Single(_transport.Published);
    }

    [Fact]
    public async Task They_hold_for_their_type_or_topic_only()
    {
        await using var host = await StartAsync(messaging => messaging
            .PublishesOf<Ping>(rules => rules.Use(Note("ping")))
            .PublishesOf<string>(rules => rules.Use(Note("text")))
            .PublishesTo("orders.*", rules => rules.Use(Note("orders"))));

        await PublishedAsync([], () => host.Bus.PublishAsync(new Pong(1)));
        await PublishedAsync(["ping"], () => host.Bus.PublishAsync(new Ping(1)));
        await PublishedAsync(["ping"], () => host.Bus.SendAsync("orders.queue", new Ping(1)));
        await PublishedAsync(["ping", "orders"], () => host.Bus.PublishAsync(new Ping(1), new() { Topic = "orders.placed" }));
        await PublishedAsync(["orders"], () => host.Bus.PublishAsync(new Pong(1), new() { Topic = "orders.placed" }));
        await PublishedAsync(["text", "orders"], () => host.Bus.PublishAsync("text", new() { Topic = "orders.placed" }));
        await PublishedAsync(["text"], () => host.Bus.PublishAsync("text", new() { MessageType = "tests.ping" }));
        await PublishedAsync([], () => host.Bus.PublishAsync(new byte[1], new() { Topic = "orders" }));
    }

    [Fact]
    public async Task One_that_does_not_call_on_ends_the_publish_with_its_own_receipt()
    {
        await using var host = await StartAsync(messaging => messaging
            .UsePublish(Note("all"))
            .PublishesOf<Ping>(rules => rules.Use(static _ => static _ => new(new PublishReceipt("stopped", PublishStatus.Duplicate))).Use(Note("inner"))));

        Assert.Equal(new PublishReceipt("stopped", PublishStatus.Duplicate), await host.Bus.PublishAsync(new Ping(1)));
        Assert.Equal(PublishStatus.Stored, (await host.Bus.PublishAsync(new Pong(1))).Status);
        Assert.Equal(["all", "all"], _steps);
        Assert.Single(_transport.Published);
    }

    [Fact]
    public async Task Each_is_built_once()
    {
        var built = new List<string>();
        await using var host = await StartAsync(messaging => messaging
            .UsePublish(Counted("all"))
            .PublishesTo("#", rules => rules.Use(Counted("topic")))
            .PublishesOf<Ping>(rules => rules.Use(Counted("type"))));

        await host.Bus.PublishAsync(new Ping(1));
        await host.Bus.PublishAsync(new Pong(1));
        await host.Bus.PublishAsync(new Ping(1), new() { Topic = "other" });

        Assert.Equal(["all", "topic", "type"], built.Order());

        PublishMiddleware Counted(string name) => next =>
        {
            built.Add(name);
            return next;
        };
    }

    [Fact]
    public async Task Keys_are_made_from_messages_of_their_type_and_explicit_ones_win()
    {
        await using var host = await StartAsync(static messaging => messaging.UseKey<Ping>(static ping => ping.Number == 0 ? null : $"key {ping.Number}"));

        await host.Bus.PublishAsync(new Ping(7), new() { Subject = "kept" });
        await host.Bus.PublishAsync(new Ping(7), new() { Key = "explicit" });
        await host.Bus.PublishAsync(new Ping(0));
        await host.Bus.PublishAsync(new Pong(7));

        Assert.Equal(["key 7", "explicit", null, null], _transport.Published.Select(static one => one.Envelope.Key));
        Assert.Equal("kept", _transport.Published.First().Envelope.Subject);
    }

    private async Task PublishedAsync(string[] expected, Func<ValueTask<PublishReceipt>> publish)
    {
        _steps.Clear();
        await publish();
        Assert.Equal(expected, _steps);
    }

    private PublishMiddleware Note(string step) => next => context =>
    {
        _steps.Add(step);
        return next(context);
    };

    private Task<TestHost> StartAsync(Action<MessagingBuilder> register) => TestHost.StartAsync(
        messaging => register(messaging.UseTransport("scripted", _ => _transport)), services => services.AddSingleton(_steps));

    private sealed class Noting(List<string> steps) : IPublishMiddleware
    {
        public ValueTask<PublishReceipt> PublishAsync(PublishContext context, PublishDelegate rest)
        {
            steps.Add("class");
            return rest(context);
        }
    }
}
