using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Publishing;

/// <summary>What a publish leaves open is filled in: from its type, then its topic, then everything's defaults, each property by itself.</summary>
public sealed class PublishDefaultsTests : IAsyncDisposable
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);

    /// <summary>Each property that can have a default: how it is set, and how it is told from the message.</summary>
    private static readonly Dictionary<string, (Func<int, PublishOptions> Set, Func<OutgoingMessage, string?> Read)> Properties = new()
    {
        [nameof(PublishOptions.ReplyTo)] = (static n => new() { ReplyTo = $"{n}" }, static m => m.Envelope.ReplyTo),
        [nameof(PublishOptions.Key)] = (static n => new() { Key = $"{n}" }, static m => m.Envelope.Key),
        [nameof(PublishOptions.Subject)] = (static n => new() { Subject = $"{n}" }, static m => m.Envelope.Subject),
        [nameof(PublishOptions.ContentType)] = (
            static n => new() { ContentType = $"application/json; v={n}" }, static m => m.Envelope.ContentType == "application/json" ? null : m.Envelope.ContentType?[^1..]),
        [nameof(PublishOptions.Priority)] = (static n => new() { Priority = n }, static m => m.Envelope.Priority is { } level ? $"{level}" : null),
        [nameof(PublishOptions.Headers)] = (static n => new() { Headers = Headers(("h", $"{n}")) }, static m => m.Envelope.Headers.GetValueOrDefault("h")),
        [nameof(PublishOptions.Delay)] = (static n => new() { Delay = TimeSpan.FromSeconds(n) }, static m => m.Delay == default ? null : Text(m.Delay)),
        [nameof(PublishOptions.TimeToLive)] = (static n => new() { TimeToLive = TimeSpan.FromSeconds(n) }, static m => m.Envelope.ExpiresAt is { } end ? Text(end - Noon) : null),
    };

    private readonly ScriptedTransport _transport = new();

    public static TheoryData<string> Names => [.. Properties.Keys];

    public ValueTask DisposeAsync() => _transport.DisposeAsync();

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_call_counts_before_its_type_that_before_its_topic_and_that_before_all(string property)
    {
        var (set, read) = Properties[property];
        await using var host = await StartAsync(messaging => messaging
            .PublishesTo("tests.*", rules => rules.Defaults(set(3)))
            .PublishesOf<Ping>(rules => rules.Defaults(set(2)))
            .PublishDefaults(set(4)));

        await host.Bus.PublishAsync(new Ping(1), set(1));
        await host.Bus.PublishAsync(new Ping(1));
        await host.Bus.PublishAsync(new Ping(1), new() { CorrelationId = "something else" });
        await host.Bus.SendAsync("q", new Ping(1));
        await host.Bus.PublishAsync(new Pong(1));
        await host.Bus.PublishAsync(new Pong(1), new() { Topic = "elsewhere" });
        await host.Bus.SendAsync("tests.pong", new Pong(1));

        Assert.Equal(["1", "2", "2", "2", "3", "4", "4"], _transport.Published.Select(read));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Each_property_is_filled_in_by_itself(string property)
    {
        var (set, _) = Properties[property];
        await using var host = await StartAsync(messaging =>
        {
            messaging.PublishesOf<Ping>(rules => rules.Defaults(set(2)));
            foreach (var (other, (setOther, _)) in Properties)
            {
                messaging = other == property ? messaging : messaging.PublishDefaults(setOther(4));
            }
        });

        await host.Bus.PublishAsync(new Ping(1), set(1));
        await host.Bus.PublishAsync(new Ping(1));

        var (called, left) = (_transport.Published.First(), _transport.Published.Last());
        Assert.All(Properties, one => Assert.Equal((one.Key, Expected(one.Key, 1)), (one.Key, one.Value.Read(called))));
        Assert.All(Properties, one => Assert.Equal((one.Key, Expected(one.Key, 2)), (one.Key, one.Value.Read(left))));

        // The time to live begins when the message is due.
        string Expected(string name, int own)
        {
            var (life, delay) = (property == nameof(PublishOptions.TimeToLive) ? own : 4, property == nameof(PublishOptions.Delay) ? own : 4);
            return $"{(name == nameof(PublishOptions.TimeToLive) ? life + delay : name == property ? own : 4)}";
        }
    }

    [Fact]
    public async Task Headers_are_merged_by_their_names()
    {
        await using var host = await StartAsync(static messaging => messaging
            .PublishDefaults(new() { Headers = Headers(("a", "all"), ("b", "all"), ("c", "all"), ("d", "all")) })
            .PublishesTo("tests.ping", static rules => rules.Defaults(new() { Headers = Headers(("b", "topic"), ("c", "topic"), ("d", "topic")) }))
            .PublishesOf<Ping>(static rules => rules.Defaults(new() { Headers = Headers(("c", "type"), ("d", "type")) })));

        await host.Bus.PublishAsync(new Ping(1), new() { Headers = Headers(("d", "call"), ("e", "call")) });

        Assert.Equal(
            "a=all b=topic c=type d=call e=call",
            string.Join(' ', Assert.Single(_transport.Published).Envelope.Headers.Select(static one => $"{one.Key}={one.Value}").Order()));
    }

    [Theory]
    [InlineData(null, null, false)]
    [InlineData(true, null, true)]
    [InlineData(true, false, false)]
    [InlineData(false, true, true)]
    public async Task Subscribers_are_required_by_default_or_by_the_call(bool? byDefault, bool? byCall, bool isError)
    {
        var transport = new ScriptedTransport(new PublishResult(PublishStatus.Unroutable));
        await using var host = await TestHost.StartAsync(messaging => messaging
            .UseTransport("scripted", _ => transport)
            .PublishDefaults(new() { RequireSubscribers = byDefault }));

        var publishing = host.Bus.PublishAsync(new Ping(1), new() { RequireSubscribers = byCall }).AsTask();

        Assert.Equal(isError, await Record.ExceptionAsync(() => publishing) is PublishException { Status: PublishStatus.Unroutable });
    }

    [Fact]
    public async Task On_one_level_the_later_registration_counts()
    {
        await using var host = await StartAsync(static messaging => messaging
            .PublishDefaults(new() { Key = "early", Subject = "early" })
            .PublishDefaults(new() { Key = "late" })
            .PublishesTo("tests.ping", static rules => rules.Defaults(new() { ReplyTo = "exact" }))
            .PublishesTo("#", static rules => rules.Defaults(new() { ReplyTo = "pattern" })));

        await host.Bus.PublishAsync(new Ping(1));

        var e = Assert.Single(_transport.Published).Envelope;
        Assert.Equal(("late", "early", "pattern"), (e.Key, e.Subject, e.ReplyTo));
    }

    [Fact]
    public async Task A_call_may_undo_a_default()
    {
        await using var host = await StartAsync(static messaging => messaging
            .PublishDefaults(new() { Delay = TimeSpan.FromMinutes(1), TimeToLive = TimeSpan.FromMinutes(1) }));

        await host.Bus.PublishAsync(new Ping(1), new() { Delay = TimeSpan.Zero, TimeToLive = TimeSpan.MaxValue });
        await host.Bus.PublishAsync(new Ping(1), new() { NotBefore = Noon.AddSeconds(7) });

        Assert.Equal(
            [(TimeSpan.Zero, null), (TimeSpan.FromSeconds(7), Noon.AddSeconds(67))],
            _transport.Published.Select(static one => (one.Delay, one.Envelope.ExpiresAt)));
    }

    [Fact]
    public async Task Topics_that_are_made_up_at_run_time_have_theirs_too()
    {
        await using var host = await StartAsync(static messaging => messaging.PublishesTo("orders.*", static rules => rules.Defaults(new() { Key = "k" })));

        await host.Bus.PublishBatchAsync(Enumerable.Range(0, 3000), static n => new() { Topic = n % 2 == 0 ? $"orders.{n}" : $"others.{n}" });

        Assert.Equal(3000, _transport.Published.Count);
        Assert.All(_transport.Published, static one => Assert.Equal(one.Destination.Name.StartsWith("orders", StringComparison.Ordinal) ? "k" : null, one.Envelope.Key));
    }

    [Fact]
    public async Task Middlewares_see_them_and_text_has_them()
    {
        var seen = new List<string?>();
        await using var host = await StartAsync(messaging => messaging
            .UsePublish(next => context =>
            {
                seen.Add(context.Options.Key);
                return next(context);
            })
            .UseHeader("h", "middleware")
            .PublishesOf<string>(static rules => rules.Defaults(new() { Key = "text", Headers = Headers(("h", "default")) })));

        await host.Bus.PublishAsync("hello", new() { Topic = "t" });

        Assert.Equal("text", Assert.Single(seen));
        Assert.Equal("default", Assert.Single(_transport.Published).Envelope.Headers["h"]);
    }

    [Fact]
    public void What_belongs_to_one_message_is_no_default()
    {
        foreach (var options in new PublishOptions[]
        {
            new() { Topic = "t" }, new() { MessageId = "1" }, new() { CorrelationId = "1" }, new() { CausationId = "1" }, new() { MessageType = "t" },
            new() { OccurredAt = Noon }, new() { NotBefore = Noon },
        })
        {
            Assert.Throws<MessagingConfigurationException>(() => new ServiceCollection().AddMessaging().PublishDefaults(options));
        }
    }

    [Fact]
    public async Task Wrong_ones_stop_the_host_at_start_and_illegal_topics_are_refused()
    {
        Assert.Throws<MessagingConfigurationException>(static () => new ServiceCollection().AddMessaging().PublishesTo("a b", static _ => { }));

        await using var host = TestHost.Create(static messaging => messaging.PublishesOf<Ping>(static rules => rules.Defaults(new() { TimeToLive = TimeSpan.Zero })));
        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync);
        Assert.Contains("time to live", e.Message, StringComparison.Ordinal);
    }

    private static Dictionary<string, string> Headers(params (string Name, string Value)[] headers) => headers.ToDictionary(static one => one.Name, static one => one.Value);

    private static string Text(TimeSpan time) => time.TotalSeconds.ToString(CultureInfo.InvariantCulture);

    private Task<TestHost> StartAsync(Action<MessagingBuilder> register) => TestHost.StartAsync(
        messaging => register(messaging.UseTransport("scripted", _ => _transport)),
        static services => services.AddSingleton<TimeProvider>(new FakeTimeProvider(Noon)));
}
