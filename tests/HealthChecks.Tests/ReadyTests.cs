using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.InMemory;
using Postrider.Core.Transport;

namespace Postrider.HealthChecks.Tests;

/// <summary>The ready check says what every queue does, and the live check never blames the process for its broker.</summary>
public sealed class ReadyTests
{
    [Fact]
    public async Task While_everything_is_received_from_all_is_well_and_the_data_name_each_queue()
    {
        await using var app = await App.StartAsync(static messaging => messaging
            .AddConsumer<Order>("billing", static (_, _, _) => new(Outcome.Ack))
            .AddConsumer<Order>("stock", static (_, _, _) => new(Outcome.Ack)));
        await ReceivingAsync(app);

        Assert.Equal(("Healthy", ""), await app.GetAsync("ready"));
        Assert.Equal(("Healthy", ""), await app.GetAsync("live"));
        Assert.Equal(
            ["inmemory/billing=Receiving", "inmemory/stock=Receiving", "inmemory=reached"],
            (await app.CheckAsync()).Data.Select(static one => $"{one.Key}={one.Value}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Without_consumers_it_is_well_and_says_so()
    {
        await using var app = await App.StartAsync(static _ => { });
        await app.Status.Ready;

        Assert.Equal(("Healthy", "There are no consumers: this process only publishes."), await app.GetAsync("ready"));
    }

    [Fact]
    public async Task A_paused_queue_is_degraded_for_as_long_as_it_is_paused_and_named_with_its_consumer()
    {
        var time = new FakeTimeProvider();
        await using var app = await App.StartAsync(
            static messaging => messaging
                .AddConsumer<Order>("fine", static (_, _, _) => new(Outcome.Ack))
                .AddConsumer<Order>("broken", static (_, _, _) => throw new FormatException(), static o => o with { Retry = RetryPolicy.None with { OnExhausted = ExhaustedMessage.Stop } }),
            time);
        await ReceivingAsync(app);

        await app.Bus.SendAsync("broken", new Order(1));
        await UntilAsync(() => app.Status.Queues["broken"] == QueueState.Paused);
        time.Advance(TimeSpan.FromHours(1));

        Assert.Equal(("Degraded", "The queue 'broken' is Paused for 3600 s: broken:order."), await app.GetAsync("ready"));
        Assert.Equal("Healthy", (await app.GetAsync("live")).Status);
    }

    [Fact]
    public async Task A_queue_that_was_found_is_named_with_the_consumer_of_its_pattern_until_it_is_gone()
    {
        var broker = new InMemoryBroker();
        await using var transport = new InMemoryTransport(broker);
        await transport.DeclareAsync(new(["tenant_a"], []), TestContext.Current.CancellationToken);
        await using var app = await App.StartAsync(messaging => messaging
            .UseInMemory(broker)
            .Configure(static o => o with { FindQueuesInterval = TimeSpan.FromMilliseconds(100) })
            .AddConsumer<Order>("tenant_*", static (_, _, _) => new(Outcome.Ack))
            .AddConsumer<Order>("*", static (_, _, _) => new(Outcome.Ack)));
        await UntilAsync(() => app.Status.Queues.Count == 1 && app.Status.IsHealthy);

        await app.Services.GetRequiredService<IQueueControl>().PauseAsync("tenant_a", cancellationToken: TestContext.Current.CancellationToken);
        await UntilAsync(() => app.Status.Queues["tenant_a"] == QueueState.Paused);
        Assert.Equal(("Degraded", "The queue 'tenant_a' is Paused for 0 s: tenant_*:order."), await app.GetAsync("ready"));

        broker.DeleteQueue("tenant_a");
        await UntilAsync(() => app.Status.Queues.Count == 0 && app.Status.IsHealthy);
    }

    [Fact]
    public async Task A_broker_that_is_away_is_degraded_and_after_a_while_unhealthy_and_never_the_processs_fault()
    {
        var (time, broker) = (new FakeTimeProvider(), new Reluctant { IsAway = true });
        await using var app = await App.StartAsync(
            messaging => messaging.UseTransport("reluctant", _ => broker).AddConsumer<Order>("billing", static (_, _, _) => new(Outcome.Ack)), time,
            static checks => checks.AddMessaging(unhealthyAfter: TimeSpan.FromSeconds(30)));
        await UntilAsync(() => app.Status.Error is not null);

        var (status, text) = await app.GetAsync("ready");
        Assert.Equal("Degraded", status);
        Assert.StartsWith("The transport 'reluctant' has not been reached for 0 s. away The queue 'billing' is Starting for 0 s: billing:order.", text, StringComparison.Ordinal);
        time.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal("Unhealthy", (await app.GetAsync("ready")).Status);
        Assert.Equal("Healthy", (await app.GetAsync("live")).Status);

        broker.IsAway = false;
        await UntilAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(6));
            return app.Status.IsHealthy;
        });
        time.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(("Healthy", ""), await app.GetAsync("ready"));
    }

    [Fact]
    public async Task A_process_that_only_publishes_asks_the_broker_once_in_five_seconds_however_many_want_to_know()
    {
        var (time, broker) = (new FakeTimeProvider(), new Reluctant());
        await using var app = await App.StartAsync(messaging => messaging.UseTransport("reluctant", _ => broker), time);
        await app.Status.Ready;
        var before = broker.Declared;

        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => app.CheckAsync()));
        time.Advance(TimeSpan.FromSeconds(4.9));
        Assert.Equal(HealthStatus.Healthy, (await app.CheckAsync()).Status);
        Assert.Equal(before + 1, broker.Declared);

        broker.IsAway = true;
        time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Equal((HealthStatus.Degraded, "not reached for 0 s"), await app.CheckAsync() is var away ? (away.Status, away.Data["reluctant"]) : default);
        Assert.Equal(before + 2, broker.Declared);
        broker.IsAway = false;
        time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(HealthStatus.Healthy, (await app.CheckAsync()).Status);
    }

    [Fact]
    public async Task A_publish_that_cannot_be_sent_counts_until_one_can()
    {
        var broker = new Reluctant();
        await using var app = await App.StartAsync(messaging => messaging
            .UseTransport("reluctant", _ => broker)
            .Configure(static options => options with { PublishTimeout = TimeSpan.FromMilliseconds(100) })
            .AddConsumer<Order>("billing", static (_, _, _) => new(Outcome.Ack)));
        await ReceivingAsync(app);
        broker.IsAway = true;

        await Assert.ThrowsAsync<PublishException>(async () => await app.Bus.SendAsync("billing", new Order(1)));
        Assert.Equal(HealthStatus.Degraded, (await app.CheckAsync()).Status);
        Assert.Equal("away", app.Status.Transports["reluctant"].PublishError?.Message);

        broker.IsAway = false;
        await app.Bus.SendAsync("billing", new Order(2));
        Assert.Null(app.Status.Transports["reluctant"].PublishError);
    }

    [Fact]
    public async Task Who_has_given_up_is_neither_ready_nor_alive_and_failure_has_the_status_that_was_asked_for()
    {
        var broker = new Reluctant { IsAway = true };
        await using var app = await App.StartAsync(
            messaging => messaging.UseTransport("reluctant", _ => broker).AddConsumer<Order>("billing", static (_, _, _) => new(Outcome.Ack)), null,
            static checks => checks.AddMessaging("mail", HealthStatus.Degraded, ["mine"]));

        // Not at once: the application ends then, and its server would not come up.
        broker.Reason = TransportError.CredentialsRefused;
        await Assert.ThrowsAsync<TransportException>(() => app.Status.Ready);

        var (ready, live) = (await app.CheckAsync("mail"), await app.CheckAsync("mail-live"));
        Assert.Equal((HealthStatus.Degraded, HealthStatus.Degraded), (ready.Status, live.Status));
        Assert.Contains("The transport 'reluctant' is given up. away", ready.Description, StringComparison.Ordinal);
        Assert.Contains("billing:order", ready.Description, StringComparison.Ordinal);
        Assert.Equal(["mine", "ready"], ready.Tags.Order());
        Environment.ExitCode = 0;
    }

    private static Task ReceivingAsync(App app) => UntilAsync(() => app.Status.IsHealthy);

    private static async Task UntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>In memory, and away when it is told to.</summary>
    private sealed class Reluctant : ITransport
    {
        private readonly InMemoryTransport _inner = new(new InMemoryBroker());
        private int _declared;

        public volatile bool IsAway;

        public TransportError Reason { get; set; } = TransportError.Unavailable;

        public int Declared => Volatile.Read(ref _declared);

        public TransportCapabilities Capabilities => _inner.Capabilities;

        public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _declared);
            return IsAway ? throw new TransportException("away", Reason) : _inner.DeclareAsync(topology, cancellationToken);
        }

        public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken)
        {
            if (!IsAway)
            {
                return _inner.PublishAsync(batch, results, cancellationToken);
            }

            results.Span.Fill(new(PublishStatus.NotSent, new TransportException("away", Reason)));
            return ValueTask.CompletedTask;
        }

        public ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) => _inner.OpenReceiverAsync(options, cancellationToken);

        public ValueTask DisposeAsync() => _inner.DisposeAsync();
    }
}
