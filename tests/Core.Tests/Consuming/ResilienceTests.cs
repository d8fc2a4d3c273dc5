using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Consuming;

/// <summary>What must not stop consuming: a broken log, a deleted queue, a dead-letter queue that is away.</summary>
public sealed class ResilienceTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task A_log_provider_that_throws_stops_nothing()
    {
        var handled = new TaskCompletionSource();
        await using var host = await TestHost.StartAsync(
            m => m.AddConsumer<Ping>(
                "logged",
                (_, context, _) => context.Attempt < 3 ? throw new InvalidOperationException("logged as a warning") : Done(handled),
                o => o with { Retry = RetryPolicy.Immediate }),
            services => services.AddLogging(log => log.AddProvider(new BrokenLog())));

        await host.Bus.PublishAsync(new Ping(1));

        await handled.Task.WaitAsync(Patience);
    }

    [Fact]
    public async Task A_deleted_queue_is_declared_again_and_received_from()
    {
        var broker = new InMemoryBroker();
        var handled = new TaskCompletionSource();
        await using var host = await TestHost.StartAsync(m => m.UseInMemory(broker).AddConsumer<Ping>("deleted", (_, _, _) => Done(handled)));

        Assert.True(broker.DeleteQueue("deleted"));
        while ((await host.Bus.PublishAsync(new Ping(1))).Status == PublishStatus.Unroutable)
        {
            await Task.Yield();
        }

        await handled.Task.WaitAsync(Patience);
    }

    [Fact]
    public async Task A_deleted_queue_whose_loss_looks_like_an_outage_is_there_before_all_is_well_again()
    {
        var (broker, time) = (new InMemoryBroker(), new FakeTimeProvider());
        var transport = new LosesQueues(new InMemoryTransport(broker));
        await using var host = await TestHost.StartAsync(
            m => m.UseTransport("loses", _ => transport).AddConsumer<Ping>("lost", static (_, _, _) => new(Outcome.Ack)),
            services => services.AddSingleton<TimeProvider>(time));
        bool Later(Func<bool> condition)
        {
            time.Advance(TimeSpan.FromMilliseconds(50));
            return condition();
        }

        await Eventually.IsAsync(() => host.Status.IsHealthy);
        Assert.True(broker.DeleteQueue("lost"));
        await Eventually.IsAsync(() => transport.IsAsked || Later(() => transport.IsAsked));
        Assert.False(host.Status.IsHealthy);
        transport.Tell.SetResult();
        await Eventually.IsAsync(() => Later(() => host.Status.IsHealthy));

        Assert.Equal(PublishStatus.Stored, (await host.Bus.PublishAsync(new Ping(1), new() { RequireSubscribers = true })).Status);
    }

    [Fact]
    public async Task While_the_dead_letter_queue_is_away_its_messages_stay_and_others_go_on()
    {
        var broker = new InMemoryBroker();
        var transport = new InMemoryTransport(broker);
        var runs = new ConcurrentDictionary<int, int>();
        var goodOnesLeft = 50;
        var goodOnesDone = new TaskCompletionSource();
        await using var host = await TestHost.StartAsync(m => m.UseTransport("inmemory", _ => transport).AddConsumer<Ping>("mourned", (message, _, _) =>
        {
            runs.AddOrUpdate(message.Number, 1, (_, before) => before + 1);
            if (message.Number < 0)
            {
                return new(Outcome.DeadLetter("as told"));
            }

            return Interlocked.Decrement(ref goodOnesLeft) == 0 ? Done(goodOnesDone) : new(Outcome.Ack);
        }));
        broker.DeleteQueue("mourned.dlq");

        for (var i = 1; i <= 50; i++)
        {
            await host.Bus.PublishAsync(new Ping(i));
            if (i % 10 == 0)
            {
                await host.Bus.PublishAsync(new Ping(-i));
            }
        }

        await goodOnesDone.Task.WaitAsync(Patience);
        await transport.DeclareAsync(new(["mourned"], []), CancellationToken.None);
        await using var receiver = await transport.OpenReceiverAsync(new() { Queue = "mourned.dlq" }, CancellationToken.None);
        var dead = new HashSet<string>();
        while (dead.Count < 5)
        {
            foreach (var letter in await receiver.ReceiveAsync(10, CancellationToken.None).AsTask().WaitAsync(Patience))
            {
                Assert.True(dead.Add(letter.Envelope.Id));
            }
        }

        Assert.All(runs, run => Assert.Equal(1, run.Value));
    }

    private static ValueTask<Outcome> Done(TaskCompletionSource handled)
    {
        handled.TrySetResult();
        return new(Outcome.Ack);
    }

    private sealed class BrokenLog : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => throw new IOException("disk full");

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            throw new IOException("disk full");

        public void Dispose()
        {
        }
    }

    /// <summary>As a broker that first seems to be away, and tells of the queue's end only when it is asked again.</summary>
    private sealed class LosesQueues(InMemoryTransport inner) : ITransport
    {
        public TaskCompletionSource Tell { get; } = new();

        /// <summary>Whether it is asked again.</summary>
        public bool IsAsked { get; private set; }

        public TransportCapabilities Capabilities => inner.Capabilities;

        public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => inner.DeclareAsync(topology, cancellationToken);

        public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
            inner.PublishAsync(batch, results, cancellationToken);

        public async ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) =>
            new Receiver(await inner.OpenReceiverAsync(options, cancellationToken), this);

        public ValueTask DisposeAsync() => inner.DisposeAsync();

        private sealed class Receiver(IReceiver inner, LosesQueues owner) : IReceiver
        {
            private bool _seemsAway;

            public async ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken)
            {
                if (_seemsAway)
                {
                    owner.IsAsked = true;
                    await owner.Tell.Task.WaitAsync(cancellationToken);
                }

                try
                {
                    return await inner.ReceiveAsync(max, cancellationToken);
                }
                catch (TransportException) when (!_seemsAway)
                {
                    _seemsAway = true;
                    throw new TransportException("Away.", TransportError.Unavailable);
                }
            }

            public ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken) =>
                inner.SettleAsync(batch, results, cancellationToken);

            public ValueTask StopAsync(CancellationToken cancellationToken) => inner.StopAsync(cancellationToken);

            public ValueTask DisposeAsync() => inner.DisposeAsync();
        }
    }
}
