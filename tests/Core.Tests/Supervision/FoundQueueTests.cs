using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Hosting;
using Postrider.Core.InMemory;
using Postrider.Core.Stats;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Supervision;

/// <summary>Consumers of all queues whose names begin alike. What brokers do with queues that are deleted is tested on each of them.</summary>
public sealed class FoundQueueTests : IDisposable
{
    private readonly InMemoryBroker _broker = new();
    private readonly ConcurrentQueue<(string Queue, int Number)> _handled = new();
    private readonly Seen _seen = new();
    private readonly ListLog _log = new();

    public void Dispose() => _log.Dispose();

    [Fact]
    public async Task Queues_come_and_go_in_everything_that_tells_of_queues()
    {
        await DeclareAsync("tenant_a", "other");
        await using var host = await StartAsync(m => m.AddConsumer<Ping>("tenant_*", Handle));

        await host.Bus.SendAsync("tenant_a", new Ping(1));
        await Eventually.IsAsync(() => _handled.Contains(("tenant_a", 1)));
        await DeclareAsync("tenant_b");
        await host.Bus.SendAsync("tenant_b", new Ping(2));
        await Eventually.IsAsync(() => _handled.Contains(("tenant_b", 2)));
        Assert.Equal(["tenant_a", "tenant_b"], host.Status.Queues.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["tenant_a", "tenant_b"], host.Services.GetRequiredService<IDeadLetters>().Queues);
        Assert.Equal([("tenant_a", 1), ("tenant_b", 1)], HandledOf(host));
        await Eventually.IsAsync(async () => (await ProcessesOf(host)) is "tenant_a Receiving, tenant_b Receiving");

        Assert.True(_broker.DeleteQueue("tenant_a"));
        await Eventually.IsAsync(() => _seen.Any(static one => one is QueueGone { Queue: "tenant_a" }));
        Assert.Equal(["tenant_b"], host.Status.Queues.Keys);
        Assert.Equal(["tenant_b"], host.Services.GetRequiredService<IDeadLetters>().Queues);
        Assert.Equal([("tenant_b", 1)], HandledOf(host));
        await Eventually.IsAsync(async () => (await ProcessesOf(host)) is "tenant_b Receiving");
        Assert.True(host.Status.IsHealthy);
        Assert.Null(_broker.FindQueue("tenant_a"));
        Assert.DoesNotContain(_seen, static one => one is ConsumerRestarting);

        await DeclareAsync("tenant_a");
        await host.Bus.SendAsync("tenant_a", new Ping(3));
        await Eventually.IsAsync(() => _handled.Contains(("tenant_a", 3)));
        await Eventually.IsAsync(() => _seen.OfType<QueueFound>().Select(static one => one.Queue).SequenceEqual(["tenant_a", "tenant_b", "tenant_a"]));
        await host.StopAsync();
        Assert.All(host.Status.Queues.Values, static state => Assert.Equal(QueueState.Stopped, state));
        Assert.Single(_seen, static one => one is QueueGone);
    }

    [Fact]
    public async Task A_queue_belongs_to_its_name_or_to_the_longest_beginning_and_dead_letters_to_nobody()
    {
        await DeclareAsync("orders", "tenant_a", "tenant_big_a", "tenant_big_b");
        await using var host = await StartAsync(m => m
            .AddConsumer<Ping>("*", (ping, context, token) => Handle(ping with { Number = 1 }, context, token))
            .AddConsumer<Ping>("tenant_big_*", (ping, context, token) => Handle(ping with { Number = 2 }, context, token))
            .AddConsumer<Ping>("tenant_*", (ping, context, token) => Handle(ping with { Number = 3 }, context, token))
            .AddConsumer<Ping>("tenant_big_b", (ping, context, token) => Handle(ping with { Number = 4 }, context, token)));

        await Eventually.IsAsync(() => host.Status.Queues.Count == 4);
        foreach (var queue in host.Status.Queues.Keys)
        {
            await host.Bus.SendAsync(queue, new Ping(0));
        }

        await Eventually.IsAsync(() => _handled.Count == 4);
        Assert.Equal([("orders", 1), ("tenant_a", 3), ("tenant_big_a", 2), ("tenant_big_b", 4)], _handled.Order());
    }

    [Fact]
    public async Task What_others_made_gets_a_dead_letter_queue_and_topics_lead_to_none()
    {
        await DeclareAsync("made");
        _broker.DeleteQueue("made.dlq");
        await using var host = await StartAsync(static m => m.AddConsumer<Ping>("ma*", static (_, _, _) => new(Outcome.DeadLetter("no"))));

        await host.Bus.SendAsync("made", new Ping(1));
        await Eventually.IsAsync(async () => _broker.FindQueue("made.dlq") is not null && await host.Services.GetRequiredService<IDeadLetters>().CountAsync("made") == 1);
        Assert.Equal(PublishStatus.Unroutable, (await host.Bus.PublishAsync(new Ping(2))).Status);
    }

    [Fact]
    public async Task Each_is_in_the_pool_that_lists_its_name_and_runs_where_that_is_run()
    {
        await DeclareAsync("tenant_a1", "tenant_a2", "tenant_b", "tenant_c");
        await using var host = await StartAsync(m => m
            .AddPool("a", static p => p with { Queues = ["tenant_a*"] })
            .AddPool("b", static p => p with { Queues = ["tenant_b"] })
            .AddPool("default")
            .Configure(static o => o with { RunPools = ["a", "default"] })
            .AddConsumer<Ping>("tenant_*", Handle));

        await Eventually.IsAsync(() => host.Status.Queues.Count == 3);
        var queues = host.Services.GetRequiredService<TransportSet>().Default.Queues;

        Assert.Equal(["tenant_a1 a", "tenant_a2 a", "tenant_c default"], queues.Select(static one => $"{one.Name} {one.Pool!.Pool.Name}"));
        Assert.Equal(3, queues.Select(static one => one.Pool!.Rank).Distinct().Count());
        Assert.Contains("  each queue tenant_*: concurrency 16", $"{host.Services.GetRequiredService<MessagingDescription>()}", StringComparison.Ordinal);
    }

    [Fact]
    public async Task While_nobody_can_tell_the_known_ones_stay()
    {
        await DeclareAsync("tenant_a");
        var transport = new Listed(new(_broker));
        await using var host = await StartAsync(m => m.UseTransport("listed", _ => transport).AddConsumer<Ping>("tenant_*", Handle));
        await Eventually.IsAsync(() => host.Status.Queues.Count == 1);

        transport.Error = new("away", TransportError.Unavailable);
        await transport.AskedAsync();
        await transport.AskedAsync();
        await host.Bus.SendAsync("tenant_a", new Ping(1));
        await Eventually.IsAsync(() => _handled.Contains(("tenant_a", 1)));
        Assert.Single(_log.Lines, static one => one.Id == 142);

        transport.Error = null;
        await DeclareAsync("tenant_b");
        await Eventually.IsAsync(() => host.Status.Queues.Count == 2);
    }

    [Fact]
    public async Task One_that_was_lost_while_nobody_could_tell_is_not_made_again()
    {
        await DeclareAsync("tenant_a");
        var transport = new Listed(new(_broker));
        await using var host = await StartAsync(m => m.UseTransport("listed", _ => transport).AddConsumer<Ping>("tenant_*", Handle));
        await Eventually.IsAsync(() => host.Status.Queues.GetValueOrDefault("tenant_a") == QueueState.Receiving);

        transport.Error = new("away", TransportError.Unavailable);
        _broker.DeleteQueue("tenant_a");
        await Eventually.IsAsync(() => _seen.Any(static one => one is ConsumerRestarting { Queue: "tenant_a" }));
        transport.Error = null;

        await Eventually.IsAsync(() => _seen.Any(static one => one is QueueGone { Queue: "tenant_a" }));
        Assert.Null(_broker.FindQueue("tenant_a"));
    }

    [Fact]
    public async Task One_that_cannot_be_consumed_stops_nothing_else()
    {
        await DeclareAsync("tenant_a", "tenant_bad");
        var transport = new Listed(new(_broker)) { Refused = "tenant_bad" };
        await using var host = await StartAsync(m => m.UseTransport("listed", _ => transport).AddConsumer<Ping>("tenant_*", Handle));

        await Eventually.IsAsync(() => host.Status.Queues.GetValueOrDefault("tenant_bad") == QueueState.Faulted);
        await transport.AskedAsync();
        await transport.AskedAsync();
        await host.Bus.SendAsync("tenant_a", new Ping(1));
        await Eventually.IsAsync(() => _handled.Contains(("tenant_a", 1)));
        Assert.Single(_log.Lines, static one => one.Id == 143);
        Assert.False(host.Status.IsHealthy);

        _broker.DeleteQueue("tenant_bad");
        await Eventually.IsAsync(() => host.Status.IsHealthy);
        Assert.Equal(["tenant_a"], host.Status.Queues.Keys);
    }

    [Fact]
    public async Task Pauses_and_circuit_breakers_are_each_queues_own()
    {
        await DeclareAsync("tenant_a", "tenant_b");
        await using var host = await StartAsync(m => m.AddConsumer<Ping>(
            "tenant_*",
            (ping, context, token) => context.Queue == "tenant_a" ? throw new InvalidOperationException("broken") : Handle(ping, context, token),
            static o => o with { CircuitBreaker = new() { Failures = 1 }, Retry = RetryPolicy.None }));
        await Eventually.IsAsync(() => host.Status.Queues.Count == 2);

        await host.Bus.SendAsync("tenant_a", new Ping(1));
        await Eventually.IsAsync(() => host.Status.Queues["tenant_a"] == QueueState.Paused);
        await host.Bus.SendAsync("tenant_b", new Ping(2));
        await Eventually.IsAsync(() => _handled.Contains(("tenant_b", 2)));

        await host.Services.GetRequiredService<IQueueControl>().PauseAsync("tenant_b");
        await Eventually.IsAsync(() => host.Status.Queues["tenant_b"] == QueueState.Paused);
    }

    [Theory]
    [InlineData("Big*", "cannot have such queues")]
    [InlineData("a..*", "cannot have such queues")]
    [InlineData("amq.*", "cannot have such queues")]
    [InlineData("tenant_*", "names Topics", "some.topic")]
    [InlineData("tenant_*", "may be in two pools, 'one' and 'two'", null, "tenant_a*", "tenant_ab")]
    [InlineData("tenant_*", "may be in two pools, 'one' and 'two'", null, "t*", "tenant_a*")]
    public async Task What_does_not_fit_is_refused(string queue, string why, string? topic = null, string? one = null, string? two = null)
    {
        await using var host = TestHost.Create(m =>
        {
            m.AddConsumer<Ping>(queue, Handle, o => o with { Topics = topic is null ? [] : [topic] });
            if (one is not null)
            {
                m.AddPool("one", p => p with { Queues = [one] }).AddPool("two", p => p with { Queues = [two!] });
            }
        });

        Assert.Contains(why, (await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_transport_that_cannot_tell_its_queues_is_refused()
    {
        await using var host = TestHost.Create(m => m.UseTransport("scripted", static _ => new ScriptedTransport()).AddConsumer<Ping>("tenant_*", Handle));

        Assert.Contains("cannot tell which there are", (await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_sent_to_them_goes_to_their_transport()
    {
        await DeclareAsync("tenant_a");
        await using var host = await StartAsync(m => m
            .AddTransport("second", _ => new InMemoryTransport(_broker))
            .UseInMemory(new InMemoryBroker())
            .AddConsumer<Ping>("tenant_*", Handle, static o => o with { Transport = "second" }));

        await host.Bus.SendAsync("tenant_a", new Ping(1));
        await Eventually.IsAsync(() => _handled.Contains(("tenant_a", 1)));
    }

    private static string ProcessesText(MessagingProcess process) =>
        string.Join(", ", process.Queues.OrderBy(static one => one.Queue, StringComparer.Ordinal).Select(static one => $"{one.Queue} {one.State}"));

    private static async Task<string?> ProcessesOf(TestHost host) =>
        (await host.Services.GetRequiredService<IMessagingProcesses>().GetAsync()) is [var process] ? ProcessesText(process) : null;

    private static IEnumerable<(string Queue, long Count)> HandledOf(TestHost host) =>
        host.Services.GetRequiredService<IMessagingStats>().GetOwn().Handling.Where(static one => one.Consumer is not null)
            .Select(static one => (one.Queue!, one.Counts.Acked)).Order();

    private Task<TestHost> StartAsync(Action<MessagingBuilder> register) => TestHost.StartAsync(
        m => register(m.UseInMemory(_broker).AddObserver<Collecting>().Configure(static o => o with { FindQueuesInterval = TimeSpan.FromMilliseconds(100) })),
        services => services.AddSingleton(_seen).AddLogging(logging => logging.AddProvider(_log)));

    private async Task DeclareAsync(params string[] queues)
    {
        await using var transport = new InMemoryTransport(_broker);
        await transport.DeclareAsync(new(queues, []), CancellationToken.None);
    }

    private ValueTask<Outcome> Handle(Ping ping, ConsumeContext context, CancellationToken cancellationToken)
    {
        _handled.Enqueue((context.Queue, ping.Number));
        return new(Outcome.Ack);
    }

    private sealed class Seen : ConcurrentQueue<MessagingEvent>;

    private sealed class Collecting(Seen seen) : IMessagingObserver
    {
        public ValueTask ObserveAsync(MessagingEvent happened, CancellationToken cancellationToken)
        {
            seen.Enqueue(happened);
            return default;
        }
    }

    /// <summary>Cannot always tell its queues, and refuses one of them.</summary>
    private sealed class Listed(InMemoryTransport inner) : ITransport, IQueueList
    {
        private readonly SemaphoreSlim _asked = new(0);

        public volatile TransportException? Error;

        public string? Refused { get; init; }

        public TransportCapabilities Capabilities => inner.Capabilities;

        /// <summary>Completes with a look that begins after this.</summary>
        public async Task AskedAsync()
        {
            while (_asked.Wait(0))
            {
                // Those before do not count.
            }

            await _asked.WaitAsync();
        }

        public ValueTask<IReadOnlyList<string>> ListQueuesAsync(string prefix, CancellationToken cancellationToken)
        {
            _asked.Release();
            return Error is { } error ? throw error : ((IQueueList)inner).ListQueuesAsync(prefix, cancellationToken);
        }

        public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => Error is { } error ? throw error
            : Refused is { } refused && topology.Queues.Contains(refused) ? throw new TransportException($"'{refused}' is of another kind.", TransportError.TopologyMismatch)
            : inner.DeclareAsync(topology, cancellationToken);

        public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
            inner.PublishAsync(batch, results, cancellationToken);

        public ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) => inner.OpenReceiverAsync(options, cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
