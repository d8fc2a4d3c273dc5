using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Hosting;

/// <summary>Two brokers in one host: who chooses which, and that what happens to one is no matter to the other.</summary>
public sealed class SeveralTransportsTests
{
    private static readonly (string, string)[] Two = [("Transport", "one"), ("Transports:one:Type", "InMemory"), ("Transports:two:Type", "InMemory")];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_consumer_is_on_the_transport_that_its_code_or_the_configuration_of_its_queue_names(bool byConfiguration)
    {
        var seen = new ConcurrentQueue<int>();
        await using var host = TestHost.Configured(
            m => m.AddConsumer<Ping>("ping", Note(seen), o => byConfiguration ? o : o with { Transport = "TWO" }),
            [.. Two, .. byConfiguration ? [("Queues:ping:Transport", "two")] : Array.Empty<(string, string)>()]);
        await host.StartAsync();
        await host.Status.Ready.WaitAsync(TimeSpan.FromSeconds(10));

        Assert.Equal(PublishStatus.Unroutable, (await host.Bus.PublishAsync(new Ping(1))).Status);
        await host.Bus.PublishAsync(new Ping(2), new() { Transport = "two", RequireSubscribers = true });
        await host.Bus.SendAsync("ping", new Ping(3));

        await Eventually.IsAsync(() => seen.Count == 2);
        Assert.Equal([2, 3], seen.Order());
        Assert.Empty(host.Status.Transports["one"].Queues);
        Assert.Equal(["ping"], host.Status.Transports["two"].Queues.Keys);
    }

    [Theory]
    [InlineData("Topics:tests.ping:Transport")]
    [InlineData("Topics:tests.#:Transport")]
    public async Task A_topic_is_published_to_the_transport_that_the_configuration_names(string key)
    {
        var seen = new ConcurrentQueue<int>();
        await using var host = TestHost.Configured(m => m.AddConsumer<Ping>("ping", Note(seen), static o => o with { Transport = "two" }), [.. Two, (key, "two")]);
        await host.StartAsync();

        await host.Bus.PublishAsync(new Ping(1), new() { RequireSubscribers = true });
        Assert.Equal(PublishStatus.Unroutable, (await host.Bus.PublishAsync(new Ping(2), new() { Transport = "one" })).Status);
        Assert.Equal(PublishStatus.Unroutable, (await host.Bus.PublishAsync(new Ping(3), new() { Topic = "other.ping" })).Status);

        await Eventually.IsAsync(() => seen.Count == 1);
    }

    [Fact]
    public async Task A_publish_to_a_transport_that_is_not_used_is_refused()
    {
        await using var host = TestHost.Configured(static _ => { }, Two);
        await host.StartAsync();
        await host.Bus.PublishAsync(new Ping(0), new() { Transport = "One" });

        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.PublishAsync(new Ping(1), new() { Transport = "two" }));

        Assert.Equal(PublishStatus.Rejected, e.Status);
        Assert.Contains("'two'", e.Message, StringComparison.Ordinal);
        await using var other = TestHost.Configured(static m => m.UseAlso("two"), Two);
        await other.StartAsync();
        Assert.Equal(PublishStatus.Unroutable, (await other.Bus.PublishAsync(new Ping(2), new() { Transport = "two" })).Status);
    }

    [Fact]
    public async Task An_outage_of_one_is_no_matter_to_the_other()
    {
        var seen = new ConcurrentQueue<int>();
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var away = new ScriptedTransport
        {
            OnDeclare = async () =>
            {
                await reached.Task;
                throw new TransportException("away", TransportError.Unavailable);
            },
        };
        await using var host = TestHost.Create(m => m
            .Configure(static o => o with { PublishTimeout = TimeSpan.FromMilliseconds(100), FailFastAfter = TimeSpan.FromMilliseconds(10) })
            .AddTransport("away", _ => away).UseAlso("away")
            .AddConsumer<Ping>("ping", Note(seen)));
        await host.StartAsync();
        var (here, there) = (host.Status.Transports["inmemory"], host.Status.Transports["away"]);
        await here.Ready.WaitAsync(TimeSpan.FromSeconds(10));
        reached.SetResult();
        await Eventually.IsAsync(() => there.Error is not null);

        await host.Bus.PublishAsync(new Ping(1), new() { RequireSubscribers = true });
        var e = await Assert.ThrowsAsync<PublishException>(async () => await host.Bus.PublishAsync(new Ping(2), new() { Transport = "away" }));

        await Eventually.IsAsync(() => seen.Contains(1));
        Assert.Equal(PublishStatus.NotSent, e.Status);
        Assert.True(here.IsHealthy);
        Assert.False(host.Status.IsHealthy);
        Assert.False(host.Status.Ready.IsCompleted);
        Assert.Equal(["inmemory: healthy, ping Receiving", "away: not reached yet. away"], host.Status.ToString().Split(Environment.NewLine));
    }

    [Theory]
    [InlineData("Transport", "three", "Messaging:Transport")]
    [InlineData("Queues:ping:Transport", "three", "'ping'")]
    [InlineData("Topics:tests.ping:Transport", "three", "Messaging:Topics:tests.ping")]
    [InlineData("DrainFrom", "three", "Messaging:DrainFrom")]
    public async Task A_name_that_is_not_known_is_an_error_that_says_who_names_it(string key, string value, string who)
    {
        await using var host = TestHost.Configured(
            static m => m.AddConsumer<Ping>("ping", static (_, _, _) => new(Outcome.Ack)), [.. Two.Where(one => one.Item1 != key), (key, value)]);

        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync);

        Assert.Contains(who, e.Message, StringComparison.Ordinal);
        Assert.Contains("'three'", e.Message, StringComparison.Ordinal);
        Assert.Contains("one, two", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Named_transports_without_a_choice_are_refused_rather_than_left_for_memory()
    {
        await using var host = TestHost.Configured(static _ => { }, Two[1..]);
        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync);
        Assert.Contains("Set Messaging:Transport", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Consumers_of_one_queue_agree_on_its_transport()
    {
        await using var host = TestHost.Configured(
            static m => m.AddConsumer<Ping>("both", static (_, _, _) => new(Outcome.Ack), static o => o with { Transport = "two" })
                .AddConsumer<Pong>("both", static (_, _, _) => new(Outcome.Ack)),
            Two);
        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync);
        Assert.Contains("their Transport", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_consumer_that_requires_what_its_transport_cannot_do_stops_the_host()
    {
        await using var host = TestHost.Configured(
            static m => m.AddConsumer<Ping>("ping", static (_, _, _) => new(Outcome.Ack), static o => o with { Requires = [TransportCapability.Fencing, TransportCapability.Durability] }),
            Two);
        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync);
        Assert.Contains("'ping:tests.ping'", e.Message, StringComparison.Ordinal);
        Assert.Contains("requires Durability, which the transport 'one' does not have: messages live in this process", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Dead_letters_of_all_transports_are_seen_and_replayed_where_they_are()
    {
        var fails = true;
        var seen = new ConcurrentQueue<int>();
        await using var host = TestHost.Configured(
            m => m.AddConsumer<Ping>(
                "ping",
                (ping, _, _) =>
                {
                    seen.Enqueue(ping.Number);
                    return new(fails ? Outcome.DeadLetter("no") : Outcome.Ack);
                },
                static o => o with { Transport = "two" }).AddConsumer<Pong>("pong", static (_, _, _) => new(Outcome.DeadLetter("never"))),
            Two);
        await host.StartAsync();
        var letters = host.Services.GetRequiredService<IDeadLetters>();
        await host.Bus.SendAsync("ping", new Ping(1));
        await host.Bus.SendAsync("pong", new Pong(2));
        await Eventually.IsAsync(async () => await letters.CountAsync("ping") == 1 && await letters.CountAsync("pong") == 1);

        Assert.Equal(["pong", "ping"], letters.Queues);
        Assert.Equal(1, await letters.CountAsync("ping@two"));
        await Assert.ThrowsAsync<TransportException>(async () => await letters.CountAsync("ping@one"));
        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(async () => await letters.CountAsync("ping@tow"));
        Assert.Contains("'two'", e.Message, StringComparison.Ordinal);
        fails = false;
        Assert.Equal(1, await letters.ReplayAllAsync("ping"));
        await Eventually.IsAsync(() => seen.Count == 2);
        Assert.Equal(0, await letters.CountAsync("ping"));
    }

    [Fact]
    public async Task The_transports_are_disposed_of_with_the_host()
    {
        var disposed = new ConcurrentQueue<string>();
        var host = TestHost.Configured(m => m.AddTransport("one", _ => new Closing("one", disposed)).AddTransport("two", _ => new Closing("two", disposed)).UseAlso("two"), ("Transport", "one"));
        await host.StartAsync();
        await host.DisposeAsync();
        Assert.Equal(["one", "two"], disposed.Order());
    }

    private static Func<Ping, ConsumeContext, CancellationToken, ValueTask<Outcome>> Note(ConcurrentQueue<int> seen) => (ping, _, _) =>
    {
        seen.Enqueue(ping.Number);
        return new(Outcome.Ack);
    };

    private sealed class Closing(string name, ConcurrentQueue<string> disposed) : ITransport
    {
        private readonly InMemoryTransport _inner = new(new InMemoryBroker());

        public TransportCapabilities Capabilities => _inner.Capabilities;

        public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => _inner.DeclareAsync(topology, cancellationToken);

        public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
            _inner.PublishAsync(batch, results, cancellationToken);

        public ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) => _inner.OpenReceiverAsync(options, cancellationToken);

        public ValueTask DisposeAsync()
        {
            disposed.Enqueue(name);
            return _inner.DisposeAsync();
        }
    }
}
