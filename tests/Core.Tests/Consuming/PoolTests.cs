using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Consuming;

/// <summary>Queues that share the slots of a pool.</summary>
public sealed class PoolTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly InMemoryBroker _broker = new();
    private readonly ConcurrentQueue<string> _begun = new();
    private readonly SemaphoreSlim _end = new(0);
    private TestHost? _host;

    private TestHost Host => _host!;

    [Fact]
    public async Task No_more_run_at_once_than_the_pool_has_slots_whatever_their_queues_allow()
    {
        await StartAsync(m => Add(Add(m, "a"), "b").AddPool("pair", static p => p with { Concurrency = 3, Queues = ["a", "b"] })
            .Configure(static o => o with { HeartbeatInterval = TimeSpan.FromMilliseconds(200) }));
        await SendAsync("a", 5);
        await SendAsync("b", 5);
        await BegunAsync(3);
        await Eventually.IsAsync(() => Host.Status.Pools["pair"] is { Busy: 3, Waiting: > 1 });
        await Eventually.IsAsync(() => Measured.Now("postrider.pool.", "postrider.pool", "pair")
            .SequenceEqual([("postrider.pool.busy", 3), ("postrider.pool.capacity", 3), ("postrider.pool.waiting", Host.Status.Pools["pair"].Waiting)]));
        await Eventually.IsAsync(async () => await Host.Services.GetRequiredService<IMessagingProcesses>().GetAsync() is [{ } process]
            && process.Pools.TryGetValue("pair", out var pool) && pool is { Busy: 3, Concurrency: 3 } && process.Queues.All(static queue => queue.Pool == "pair"));

        for (var ended = 1; ended <= 7; ended++)
        {
            _end.Release();
            await BegunAsync(3 + ended);
            Assert.Equal((3, 3), (Host.Status.Running.Count, Host.Status.Pools["pair"].Busy));
        }

        _end.Release(3);
        await Eventually.IsAsync(() => Host.Status.Pools["pair"] == new PoolStatus(3, 0, 0));
        Assert.Equal((5, 5), (_begun.Count(static one => one[0] == 'a'), _begun.Count(static one => one[0] == 'b')));
    }

    [Fact]
    public async Task A_queue_takes_no_more_of_it_than_its_own_share_and_one_in_no_pool_none()
    {
        await StartAsync(m => Add(Add(m, "a", static o => o with { Concurrency = 1 }), "free").AddPool("one", static p => p with { Concurrency = 3, Queues = ["a"] }));
        await SendAsync("a", 2);
        await SendAsync("free", 4);

        await BegunAsync(5);

        Assert.Equal(new PoolStatus(3, 1, 0), Host.Status.Pools["one"]);
        _end.Release(6);
        await BegunAsync(6);
    }

    [Fact]
    public async Task In_a_strict_one_a_later_queue_gets_a_slot_only_when_no_earlier_one_waits()
    {
        await StartAsync(m => Add(Add(m, "low", static o => o with { Concurrency = 1 }), "high", static o => o with { Concurrency = 2 }).AddPool("strict", static p => p with { Concurrency = 1, Strict = true, Queues = ["high", "lo*"] }));
        await SendAsync("low", 3);
        await BegunAsync(1);
        await SendAsync("high", 3);
        await Eventually.IsAsync(() => _broker.FindQueue("high")!.CountVisible() == 0 && Host.Status.Pools["strict"].Waiting == 2);

        for (var i = 0; i < 5; i++)
        {
            _end.Release();
            await BegunAsync(2 + i);
        }

        Assert.Equal(["low", "high", "high", "high", "low", "low"], _begun.Select(static one => one.Split(' ')[0]));
        _end.Release();
    }

    [Fact]
    public async Task What_waits_for_a_slot_keeps_its_lease_and_goes_back_untouched()
    {
        var time = new FakeTimeProvider();
        var broker = new InMemoryBroker(time);
        _host = await TestHost.StartAsync(
            m => Add(Add(m.UseInMemory(broker), "a", static o => o with { RenewLease = false }), "b").AddPool("both", static p => p with { Concurrency = 1, Queues = ["*"] }),
            services => services.AddSingleton<TimeProvider>(time));
        await SendAsync("b", 1);
        await BegunAsync(1);
        await SendAsync("a", 1);
        await Eventually.IsAsync(() => Host.Status.Pools["both"].Waiting > 0);
        for (var i = 0; i < 20; i++)
        {
            time.Advance(TimeSpan.FromSeconds(9));
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System); // the renewer runs beside this
        }

        var stopping = Host.StopAsync();
        await Eventually.IsAsync(() => Host.Status.Pools["both"].Waiting == 0);
        await using var transport = new InMemoryTransport(broker);
        await using var receiver = await transport.OpenReceiverAsync(new() { Queue = "a" }, CancellationToken.None);
        var again = Assert.Single(await receiver.ReceiveAsync(1, CancellationToken.None).AsTask().WaitAsync(Patience));
        Assert.Equal((1, 0), (again.Envelope.Attempt, again.Redeliveries));
        _end.Release();
        await stopping.WaitAsync(Patience);
        Assert.Equal(["b 0"], _begun);
    }

    [Fact]
    public async Task One_that_hangs_gives_its_slot_away()
    {
        await StartAsync(m => Add(Add(m, "a", static o => o with { HungAfter = TimeSpan.FromMilliseconds(50) }), "b")
            .AddPool("both", static p => p with { Concurrency = 1, Queues = ["a", "b"] }));
        await SendAsync("a", 1);
        await BegunAsync(1);

        await SendAsync("b", 1);
        await BegunAsync(2);

        _end.Release(2);
        await Eventually.IsAsync(() => Host.Status.Pools["both"] == new PoolStatus(1, 0, 0));
    }

    [Fact]
    public async Task Of_batch_consumers_batches_take_the_slots()
    {
        await StartAsync(m => m
            .AddBatchConsumer<Ping>("a", BatchAsync, static o => o with { Batch = new() { MaxSize = 3 } })
            .AddBatchConsumer<Pong>("b", BatchAsync, static o => o with { Batch = new() { MaxSize = 3 }, HungAfter = TimeSpan.FromMilliseconds(50) })
            .AddPool("both", static p => p with { Concurrency = 1, Queues = ["a", "b"] }));
        await SendAsync("a", 3);
        await BegunAsync(1);
        for (var i = 0; i < 3; i++)
        {
            await Host.Bus.SendAsync("b", new Pong(i));
        }

        await Eventually.IsAsync(() => Host.Status.Pools["both"] == new PoolStatus(1, 1, 1));
        Assert.Single(_begun);
        _end.Release();
        await BegunAsync(2);

        // It hangs, and gives its slot away.
        await SendAsync("a", 3);
        await BegunAsync(3);
        _end.Release(2);
        await Eventually.IsAsync(() => Host.Status.Pools["both"] == new PoolStatus(1, 0, 0));

        async ValueTask<Outcome> BatchAsync<T>(IReadOnlyList<BatchItem<T>> batch, CancellationToken cancellationToken)
            where T : notnull
        {
            _begun.Enqueue($"{batch.Count}");
            await _end.WaitAsync(Patience, cancellationToken);
            return Outcome.Ack;
        }
    }

    [Fact]
    public async Task A_process_that_runs_some_pools_declares_the_other_queues_and_leaves_them_to_others()
    {
        await StartAsync(m => Add(Add(m, "a"), "b").AddPool("critical", static p => p with { Queues = ["a"] }).Configure(static o => o with { RunPools = ["Critical"] }));
        await SendAsync("b", 1);
        await SendAsync("a", 1);
        await BegunAsync(1);
        Assert.Equal(["a"], Host.Status.Queues.Keys);
        Assert.True(Host.Status.IsHealthy);
        Assert.Contains("queue b, not consumed by this process", $"{Host.Services.GetRequiredService<MessagingDescription>()}", StringComparison.Ordinal);

        await using var other = await TestHost.StartAsync(m => Add(m.UseInMemory(_broker), "b"));
        await BegunAsync(2);

        Assert.Equal(["a 0", "b 0"], _begun);
        _end.Release(2);
    }

    public async ValueTask DisposeAsync()
    {
        _end.Release(100);
        if (_host is { } host)
        {
            await host.DisposeAsync();
        }
    }

    private MessagingBuilder Add(MessagingBuilder messaging, string queue, Func<ConsumerOptions, ConsumerOptions>? change = null) => messaging.AddConsumer<Ping>(
        queue,
        async (message, _, _) =>
        {
            _begun.Enqueue($"{queue} {message.Number}");
            await _end.WaitAsync(Patience, CancellationToken.None);
            return Outcome.Ack;
        },
        change);

    private async Task StartAsync(Action<MessagingBuilder> register) => _host = await TestHost.StartAsync(m => register(m.UseInMemory(_broker)));

    private async Task SendAsync(string queue, int count)
    {
        for (var i = 0; i < count; i++)
        {
            await Host.Bus.SendAsync(queue, new Ping(i));
        }
    }

    private Task BegunAsync(int count) => Eventually.IsAsync(() => _begun.Count == count);
}
