using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Consuming;

/// <summary>Handlers that do not return: they are told of, others stand in for them, and nothing else goes wrong by that. The clock stands still unless moved.</summary>
public sealed class HungTests : IAsyncDisposable
{
    private const string Queue = "hung";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    private readonly FakeTimeProvider _time = new();
    private readonly InMemoryBroker _broker;
    private readonly ListLog _log = new();
    private readonly ConcurrentDictionary<int, TaskCompletionSource> _ends = new();
    private readonly ConcurrentQueue<int> _begun = new();
    private TestHost? _host;

    public HungTests() => _broker = new(_time);

    private TestHost Host => _host!;

    private int HungLines => _log.Lines.Count(static line => line.Id == 75);

    [Fact]
    public async Task It_is_told_of_and_again_whenever_it_is_twice_as_old()
    {
        await StartAsync(o => o with { Concurrency = 4 });
        await SendAsync(1);
        await BegunAsync(1);
        Assert.Equal((1, false), (Host.Status.Running.Count, Host.Status.Running[0].IsHung));

        await PassAsync(Limit, hung: 1);
        var told = _log.Lines.Single(static line => line.Id == 75).Text;
        var running = Assert.Single(Host.Status.Running);
        await PassAsync(Limit, hung: 2);
        await PassAsync(Limit * 2, hung: 3);
        Assert.True(Host.Status.IsHealthy);

        Assert.Contains($"'{Queue}:tests.ping' of '{Queue}'", told, StringComparison.Ordinal);
        Assert.Contains("Another worker stands in for it", told, StringComparison.Ordinal);
        Assert.Equal((Queue, $"{Queue}:tests.ping", "tests.ping", 1, true), (running.Queue, running.Consumer, running.MessageType, running.Attempt, running.IsHung));
        Assert.InRange(running.Age, Limit, Limit * 2);
        Assert.Contains(running.MessageId, told, StringComparison.Ordinal);
        End(1);
        await Eventually.IsAsync(() => Host.Status.Running.Count == 0);
    }

    [Fact]
    public async Task The_metric_counts_those_that_hang_now()
    {
        var hung = 0L;
        using var meters = new MeterListener();
        meters.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument.Name == "postrider.handlers.hung")
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        meters.SetMeasurementEventCallback<long>((_, change, tags, _) =>
        {
            if (tags.ToArray().Contains(new("messaging.destination.name", "hung-counted")))
            {
                Interlocked.Add(ref hung, change);
            }
        });
        meters.Start();
        await StartAsync(static o => o, queue: "hung-counted");
        await SendAsync(1, 2);
        await BegunAsync(2);

        await PassAsync(Limit, hung: 2);
        Assert.Equal(2, Volatile.Read(ref hung));
        End(1);
        await Eventually.IsAsync(() => Advanced(() => Volatile.Read(ref hung) == 1));
        Assert.Contains(_log.Lines, static line => line.Id == 76);

        // The other one hangs when the host stops.
        var stopping = Host.StopAsync();
        await Eventually.IsAsync(() => Advanced(() => stopping.IsCompleted));
        Assert.Equal(0, Volatile.Read(ref hung));
        End(2);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Others_stand_in_for_as_many_as_may_run_and_go_when_those_return(bool priority)
    {
        // With priorities the window is no larger than what runs.
        await StartAsync(o => o with { Concurrency = 2, Priority = priority ? new() : null });
        await SendAsync(1, 2, 3, 4, 5, 6, 7, 8);
        await BegunAsync(2);

        await PassAsync(Limit, hung: 2);
        await BegunAsync(4);
        await PassAsync(Limit, hung: 6);
        Assert.Contains(_log.Lines, static line => line.Id == 75 && line.Text.Contains("Nothing stands in", StringComparison.Ordinal));
        Assert.Equal(4, _begun.Count);

        // One that hung returns: the next to hang is replaced; no more run than that.
        var hung = _begun.ToArray();
        End(hung[0]);
        await Eventually.IsAsync(() => Advanced(() => _begun.Count == 5));
        End(hung[1]);
        await Eventually.IsAsync(() => Advanced(() => _begun.Count == 6));

        // All that hung return: two run at once, as before.
        foreach (var number in _begun)
        {
            End(number);
        }

        await BegunAsync(8);
        foreach (var number in _begun)
        {
            End(number);
        }

        await Eventually.IsAsync(() => Host.Status.Running.Count == 0);
        await SendAsync(11, 12, 13, 14);
        await BegunAsync(10);
        await SettledAsync();
        Assert.Equal(2, Host.Status.Running.Count);
    }

    [Fact]
    public async Task Its_key_stays_held()
    {
        await StartAsync(o => o with { Concurrency = 1, Order = MessageOrder.ByKey });
        await Host.Bus.SendAsync(Queue, new Ping(1), new() { Key = "a" });
        await BegunAsync(1);
        await Host.Bus.SendAsync(Queue, new Ping(2), new() { Key = "a" });
        await Host.Bus.SendAsync(Queue, new Ping(3), new() { Key = "b" });
        await PassAsync(Limit, hung: 1);
        await BegunAsync(2);
        End(3);
        await SettledAsync();
        Assert.Equal([1, 3], _begun);

        End(1);

        await BegunAsync(3);
        Assert.Equal([1, 3, 2], _begun);
    }

    [Fact]
    public async Task Suspects_do_not_wait_for_it()
    {
        await using var publisher = await TestHost.StartAsync(
            messaging => messaging.UseInMemory(_broker), services => services.AddSingleton<TimeProvider>(_time));
        var transport = publisher.Services.GetRequiredService<ITransport>();
        await transport.DeclareAsync(new([Queue], [new("tests.ping", Queue)]), CancellationToken.None);
        await publisher.Bus.PublishAsync(new Ping(2));
        for (var i = 0; i < 2; i++)
        {
            // Handed out to one that ends without an outcome.
            await using var receiver = await transport.OpenReceiverAsync(new() { Queue = Queue }, CancellationToken.None);
            Assert.Equal(i, Assert.Single(await receiver.ReceiveAsync(1, CancellationToken.None).AsTask().WaitAsync(Patience)).Redeliveries);
            _time.Advance(TimeSpan.FromMinutes(2));
        }

        await publisher.Bus.PublishAsync(new Ping(1));
        await StartAsync(o => o with { Concurrency = 2 });
        await BegunAsync(1);

        await PassAsync(Limit, hung: 1);

        await BegunAsync(2);
        Assert.Equal([1, 2], _begun);

        // Nor do others wait for a suspect that hangs.
        await SendAsync(3);
        await PassAsync(Limit, hung: 3);
        await BegunAsync(3);
    }

    [Fact]
    public async Task Without_a_limit_nothing_hangs()
    {
        await StartAsync(o => o with { Concurrency = 1, HungAfter = null });
        await SendAsync(1, 2);
        await BegunAsync(1);

        for (var i = 0; i < 100; i++)
        {
            _time.Advance(Limit);
        }

        await SettledAsync();
        Assert.Equal((1, 0, false), (_begun.Count, HungLines, Host.Status.Running[0].IsHung));
    }

    [Fact]
    public async Task Another_batch_runs_beside_one_that_hangs()
    {
        var batches = new ConcurrentQueue<int>();
        await StartAsync(m => m.AddBatchConsumer<Ping>(
            "hung-batches",
            async (batch, _) =>
            {
                batches.Enqueue(batch.Count);
                await EndOf(batch[0].Message.Number).Task;
                return Outcome.Ack;
            },
            static o => o with { HungAfter = Limit, Batch = new() { MaxSize = 2, MaxWait = TimeSpan.FromHours(10) } }));
        foreach (var number in Enumerable.Range(1, 6))
        {
            await Host.Bus.SendAsync("hung-batches", new Ping(number));
        }

        await Eventually.IsAsync(() => batches.Count == 1);
        await PassAsync(Limit, hung: 2);
        await Eventually.IsAsync(() => batches.Count == 2);
        await PassAsync(Limit, hung: 6); // the second batch for the first time, the first one again
        Assert.Equal(2, batches.Count);
        End(1);
        End(2);

        await Eventually.IsAsync(() => Advanced(() => batches.Count == 3));
    }

    [Fact]
    public async Task What_waits_for_its_batch_does_not_hang()
    {
        var waits = new TaskCompletionSource();
        await StartAsync(m => m.AddBatchConsumer<Ping>(
            "hung-waiting", static (_, _) => new(Outcome.Ack),
            o => (o with { HungAfter = Limit, Batch = new() { MaxSize = 2, MaxWait = TimeSpan.FromHours(10) } }).Use(next => context =>
            {
                var waiting = next(context);
                waits.TrySetResult();
                return waiting;
            })));
        await Host.Bus.SendAsync("hung-waiting", new Ping(1));
        await waits.Task.WaitAsync(Patience);
        for (var i = 0; i < 200; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        await SettledAsync();
        Assert.Equal(0, HungLines);
        await Host.Bus.SendAsync("hung-waiting", new Ping(2));
    }

    [Fact]
    public async Task When_the_drain_is_over_it_is_handed_back_and_all_that_waited_behind_it()
    {
        await StartAsync(o => o with { Concurrency = 1, Lease = TimeSpan.FromHours(1) });
        await SendAsync(1, 2, 3);
        await BegunAsync(1);

        var stopping = Host.StopAsync();
        await Eventually.IsAsync(() => Advanced(() => stopping.IsCompleted));

        await using var transport = new InMemoryTransport(_broker);
        await using var receiver = await transport.OpenReceiverAsync(new() { Queue = Queue }, CancellationToken.None);
        var again = new List<Delivery>();
        while (again.Count < 3)
        {
            again.AddRange(await receiver.ReceiveAsync(3, CancellationToken.None).AsTask().WaitAsync(Patience));
        }

        Assert.All(again, static delivery => Assert.Equal((1, 0), (delivery.Envelope.Attempt, delivery.Redeliveries)));

        // What comes of it later is nobody's concern.
        End(1);
        await Eventually.IsAsync(() => Host.Status.Running.Count == 0);
        Assert.Equal([1], _begun);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (_, end) in _ends)
        {
            end.TrySetResult();
        }

        if (_host is { } host)
        {
            var ending = host.DisposeAsync().AsTask();
            await Eventually.IsAsync(() => Advanced(() =>
            {
                foreach (var (_, end) in _ends)
                {
                    end.TrySetResult();
                }

                return ending.IsCompleted;
            }));
        }
    }

    private Task StartAsync(Func<ConsumerOptions, ConsumerOptions> change, string queue = Queue) => StartAsync(messaging => messaging.AddConsumer<Ping>(
        queue,
        async (message, _, _) =>
        {
            var end = EndOf(message.Number);
            _begun.Enqueue(message.Number);
            await end.Task;
            return Outcome.Ack;
        },
        o => change(o with { HungAfter = Limit })));

    private async Task StartAsync(Action<MessagingBuilder> register)
    {
        _host = await TestHost.StartAsync(
            messaging => register(messaging.UseInMemory(_broker)),
            services => services.AddSingleton<TimeProvider>(_time).AddLogging(logging => logging.AddProvider(_log)));
    }

    private async Task SendAsync(params int[] numbers)
    {
        foreach (var number in numbers)
        {
            await Host.Bus.PublishAsync(new Ping(number));
        }
    }

    private Task BegunAsync(int count) => Eventually.IsAsync(() => _begun.Count == count);

    private TaskCompletionSource EndOf(int number) => _ends.GetOrAdd(number, static _ => new(TaskCreationOptions.RunContinuationsAsynchronously));

    private void End(int number) => EndOf(number).TrySetResult();

    /// <summary>So much time passes, by a second each time, and until so many lines were written in all.</summary>
    private async Task PassAsync(TimeSpan time, int hung)
    {
        for (var passed = TimeSpan.Zero; passed < time; passed += TimeSpan.FromSeconds(1))
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        await Eventually.IsAsync(() => HungLines >= hung || Advanced(() => false));
        Assert.Equal(hung, HungLines);
    }

    private bool Advanced(Func<bool> condition)
    {
        if (condition())
        {
            return true;
        }

        _time.Advance(TimeSpan.FromSeconds(1));
        return false;
    }

    /// <summary>Long enough for what must not happen.</summary>
    private static Task SettledAsync() => Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
}
