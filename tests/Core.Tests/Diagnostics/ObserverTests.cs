using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Diagnostics;

/// <summary>Observers are told what happens to the host, in order, and can break nothing.</summary>
public sealed class ObserverTests
{
    [Fact]
    public async Task They_are_told_of_a_life_from_its_start_to_its_end_once_and_in_order()
    {
        var seen = new Seen();
        await using var host = await TestHost.StartAsync(
            static messaging => messaging.AddObserver<Collecting>().AddObserver<Collecting>().AddConsumer<Ping>("q", static (_, _, _) => new(Outcome.Ack)),
            services => services.AddSingleton(seen));
        await Eventually.IsAsync(() => host.Status.IsHealthy && seen.Any(static one => one is ProcessRegistered));
        await host.StopAsync();

        Assert.Single(seen, static one => one is ProcessRegistered { IsThis: true });
        Assert.Single(seen, static one => one is ProcessLeft { IsThis: true });
        Assert.Equal(
            [
                "MessagingStarted", "QueueStateChanged q  Starting", "BrokerReached", "QueueStateChanged q Starting Receiving", "QueueStateChanged q Receiving Draining",
                "QueueStateChanged q Draining Stopped", "MessagingStopped",
            ],
            seen.Where(static one => one is not (ProcessRegistered or ProcessLeft)).Select(Text));
        Assert.All(seen, static one => Assert.NotEqual(default, one.At));
        Assert.All(seen, static one => Assert.Equal(one is MessagingStarted or MessagingStopped or ProcessRegistered or ProcessLeft ? null : "inmemory", one.Transport));
    }

    [Fact]
    public async Task They_are_told_that_a_broker_is_away_and_back_and_that_one_is_given_up()
    {
        var (seen, calls) = (new Seen(), 0);
        var transport = new ScriptedTransport
        {
            OnDeclare = () => throw (calls++ < 2 ? new TransportException("away", TransportError.Unavailable) : new("no", TransportError.CredentialsRefused)),
        };
        await using var host = TestHost.Create(messaging => messaging.UseTransport("scripted", _ => transport).AddObserver<Collecting>(), services => services.AddSingleton(seen));
        await host.StartAsync();
        await Eventually.IsAsync(() => seen.Any(static one => one is TransportGivenUp));
        await host.StopAsync();
        Environment.ExitCode = 0;

        Assert.Equal(["MessagingStarted", "BrokerUnreachable away", "TransportGivenUp no", "MessagingStopped"], seen.Select(Text));

        (seen, calls) = (new Seen(), 0);
        await using var other = TestHost.Create(
            messaging => messaging.UseTransport("late", _ => new Late(() => calls++ == 0)).AddObserver<Collecting>(), services => services.AddSingleton(seen));
        await other.StartAsync();
        await Eventually.IsAsync(() => seen.Any(static one => one is BrokerReached));
        Assert.Equal(["MessagingStarted", "BrokerUnreachable away", "BrokerReached"], seen.Select(Text));
    }

    [Fact]
    public async Task They_are_told_of_restarts_of_stopped_queues_and_of_handlers_that_outlast_the_drain()
    {
        var (seen, broker, runs) = (new Seen(), new InMemoryBroker(), new SemaphoreSlim(0));
        await using var host = await TestHost.StartAsync(
            messaging => messaging
                .UseInMemory(broker)
                .Configure(static options => options with { DrainTimeout = TimeSpan.FromMilliseconds(50) })
                .AddObserver<Collecting>()
                .AddConsumer<Ping>("gone", static (_, _, _) => new(Outcome.Ack))
                .AddConsumer<Ping>("stopped", static (_, _, _) => throw new FormatException(), static o => o with { Retry = RetryPolicy.None with { OnExhausted = ExhaustedMessage.Stop } })
                .AddConsumer<Ping>(
                    "slow",
                    async (_, _, cancellationToken) =>
                    {
                        runs.Release();
                        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
                        return Outcome.Ack;
                    },
                    static options => options with { HungAfter = TimeSpan.FromMilliseconds(100) }),
            services => services.AddSingleton(seen));

        broker.DeleteQueue("gone");
        await host.Bus.SendAsync("stopped", new Ping(1), new() { MessageId = "7" });
        await host.Bus.SendAsync("slow", new Ping(1));
        await runs.WaitAsync();
        await Eventually.IsAsync(() => seen.Any(static one => one is ConsumerRestarting { Queue: "gone", Error: TransportException, Transport: "inmemory" } restart && restart.Pause > TimeSpan.Zero));
        await Eventually.IsAsync(() => seen.Any(static one => one is QueueStopped { Queue: "stopped" } stopped && stopped.Reason.Contains("message 7 stopped", StringComparison.Ordinal)));
        await Eventually.IsAsync(() => seen.Any(static one => one is HandlerHung { Handler: { Queue: "slow", Attempt: 1, IsHung: true } }));
        await host.StopAsync();

        Assert.Single(seen, static one => one is HandlerHung);
        Assert.Contains(seen, static one => one is DrainTimedOut { Queue: "slow", Running: 1 });
    }

    [Fact]
    public async Task One_that_throws_is_counted_and_the_others_are_told_and_nobody_waits_for_one_that_hangs()
    {
        using var told = new TelemetryRecorder();
        var seen = new Seen();
        var host = await TestHost.StartAsync(
            static messaging => messaging.AddObserver<Throwing>().AddObserver<Collecting>().AddConsumer<Ping>("q", static (_, _, _) => new(Outcome.Ack)),
            services => services.AddSingleton(seen));
        await Eventually.IsAsync(() => seen.Count >= 4);
        await host.DisposeAsync();
        Assert.True(told.Measured.Count(static one => one.Name == "postrider.observers.failed") >= 4);

        var handled = new SemaphoreSlim(0);
        await using var other = await TestHost.StartAsync(messaging => messaging.AddObserver<Hanging>().AddConsumer<Ping>("q", (_, _, _) =>
        {
            handled.Release();
            return new(Outcome.Ack);
        }));
        for (var i = 0; i < 2000; i++)
        {
            other.Status.Transports["inmemory"].Tell(new BrokerReached());
        }

        await other.Bus.SendAsync("q", new Ping(1));
        await handled.WaitAsync();
        await other.StopAsync();
        Assert.True(told.Measured.Count(static one => one.Name == "postrider.events.lost") >= 900);
    }

    private static string Text(MessagingEvent one) => one switch
    {
        QueueStateChanged changed => $"{nameof(QueueStateChanged)} {changed.Queue} {changed.From} {changed.To}",
        BrokerUnreachable away => $"{nameof(BrokerUnreachable)} {away.Error.Message}",
        TransportGivenUp given => $"{nameof(TransportGivenUp)} {given.Error.Message}",
        _ => one.GetType().Name,
    };

    private sealed class Seen : ConcurrentQueue<MessagingEvent>;

    private sealed class Collecting(Seen seen) : IMessagingObserver
    {
        public ValueTask ObserveAsync(MessagingEvent happened, CancellationToken cancellationToken)
        {
            seen.Enqueue(happened);
            return default;
        }
    }

    private sealed class Throwing : IMessagingObserver
    {
        public ValueTask ObserveAsync(MessagingEvent happened, CancellationToken cancellationToken) => throw new InvalidOperationException("the observer's own");
    }

    private sealed class Hanging : IMessagingObserver
    {
        public async ValueTask ObserveAsync(MessagingEvent happened, CancellationToken cancellationToken) =>
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
    }

    /// <summary>In memory, once it is there.</summary>
    private sealed class Late(Func<bool> isAway) : ITransport
    {
        private readonly InMemoryTransport _inner = new(new InMemoryBroker());

        public TransportCapabilities Capabilities => _inner.Capabilities;

        public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) =>
            isAway() ? throw new TransportException("away", TransportError.Unavailable) : _inner.DeclareAsync(topology, cancellationToken);

        public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
            _inner.PublishAsync(batch, results, cancellationToken);

        public ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) => _inner.OpenReceiverAsync(options, cancellationToken);

        public ValueTask DisposeAsync() => _inner.DisposeAsync();
    }
}
