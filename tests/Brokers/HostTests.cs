using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Postrider.Core.Transport;

namespace Postrider.Brokers;

/// <summary>Whole hosts on a transport: their health over an outage, and many topics, queues and hosts. A transport's tests derive from it.</summary>
[Collection("Scenarios that kill a broker")]
public abstract class HostTests(ITestOutputHelper output)
{
    /// <summary>What the script calls the broker.</summary>
    protected abstract string Kind { get; }

    /// <summary>The server of ./test.sh, or null if there is none.</summary>
    protected abstract string? Server { get; }

    /// <summary>Chooses the transport.</summary>
    protected abstract MessagingBuilder Use(MessagingBuilder builder, string connectionString);

    /// <summary>A transport.</summary>
    protected abstract ITransport Connect(string connectionString);

    /// <summary>Takes a queue away, as an operator does, with all that is in it.</summary>
    protected abstract Task DeleteQueueAsync(string queue);

    /// <summary>Sets a private server up for a hundred hosts.</summary>
    protected virtual void Configure(DirectoryInfo folder)
    {
    }

    private static CancellationToken Deadline => new CancellationTokenSource(TimeSpan.FromSeconds(90)).Token;

    [Fact]
    public async Task A_queue_can_be_bound_to_a_thousand_topics_and_a_thousand_topics_to_two_queues()
    {
        Assert.SkipWhen(string.IsNullOrEmpty(Server), "no broker: run ./test.sh");
        var run = NewName();
        var topics = Enumerable.Range(0, 1000).Select(i => $"{run}.t{i}").ToArray();
        await using var transport = Connect(Server!);
        string[] queues = [$"{run}-each", $"{run}-all"];
        await transport.DeclareAsync(new(queues, [.. topics.Select(topic => new Binding(topic, queues[0])), new($"{run}.#", queues[1])]), Deadline);
        var batch = topics.Select(topic => new OutgoingMessage(Destination.Topic(topic), new() { Id = topic, Topic = topic })).ToArray();
        var results = new PublishResult[batch.Length];
        await transport.PublishAsync(batch, results, Deadline);

        Assert.All(results, static result => Assert.Equal(PublishStatus.Stored, result.Status));
        foreach (var queue in queues)
        {
            await using var receiver = await transport.OpenReceiverAsync(new() { Queue = queue, Prefetch = 2000 }, Deadline);
            var got = new List<string>();
            while (got.Count < topics.Length)
            {
                got.AddRange((await receiver.ReceiveAsync(2000 - got.Count, Deadline)).Select(static one => one.Envelope.Id));
            }

            Assert.Equal(topics.Order(), got.Order());
        }
    }

    [Fact]
    public async Task A_host_can_consume_200_queues()
    {
        Assert.SkipWhen(string.IsNullOrEmpty(Server), "no broker: run ./test.sh");
        const int Queues = 200;
        var run = NewName();
        var handled = new ConcurrentDictionary<string, int>();
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var watch = Stopwatch.StartNew();
        await using var host = await StartAsync(Server!, messaging =>
        {
            for (var i = 0; i < Queues; i++)
            {
                var queue = $"{run}-{i}";
                messaging.AddConsumer<Tick>(
                    queue,
                    (_, _, _) =>
                    {
                        handled.AddOrUpdate(queue, 1, static (_, before) => before + 1);
                        if (handled.Count == Queues)
                        {
                            all.TrySetResult();
                        }

                        return new(Outcome.Ack);
                    },
                    options => options with { Topics = [$"{run}.tick"] });
            }
        });
        var bus = host.GetRequiredService<IMessageBus>();
        await bus.PublishAsync(new Tick(1), new() { Topic = $"{run}.tick", RequireSubscribers = true });

        await all.Task.WaitAsync(Deadline);
        output.WriteLine($"{Queues} queues declared, opened and served once in {watch.Elapsed.TotalSeconds:f1} s");
        Assert.All(handled.Values, static count => Assert.Equal(1, count));
    }

    [Fact]
    public async Task A_consumer_whose_queue_is_deleted_comes_back_by_itself()
    {
        Assert.SkipWhen(string.IsNullOrEmpty(Server), "no broker: run ./test.sh");
        var queue = NewName();
        var seen = new ConcurrentQueue<int>();
        await using var host = await StartAsync(Server!, messaging => messaging.AddConsumer<Tick>(
            queue,
            (tick, _, _) =>
            {
                seen.Enqueue(tick.Number);
                return new(Outcome.Ack);
            },
            options => options with { Topics = [$"{queue}.tick"] }));
        var (bus, status) = (host.GetRequiredService<IMessageBus>(), host.GetRequiredService<MessagingStatus>());
        await bus.PublishAsync(new Tick(1), new() { Topic = $"{queue}.tick" });
        await IsAsync(() => seen.Contains(1));

        await DeleteQueueAsync(queue);

        await IsAsync(() => !status.IsHealthy);
        await IsAsync(() => status.IsHealthy);
        await bus.PublishAsync(new Tick(2), new() { Topic = $"{queue}.tick", RequireSubscribers = true });
        await bus.SendAsync(queue, new Tick(3));
        await IsAsync(() => seen.Contains(2) && seen.Contains(3));
    }

    [Fact]
    public async Task Queues_that_begin_alike_are_consumed_while_they_are_there_and_never_made_again()
    {
        Assert.SkipWhen(string.IsNullOrEmpty(Server), "no broker: run ./test.sh");
        var begins = NewName();
        var (one, two) = ($"{begins}-1", $"{begins}-2");
        var seen = new ConcurrentQueue<(string Queue, int Number)>();
        await using var transport = Connect(Server!);
        await transport.DeclareAsync(new([one], []), Deadline);
        await using var host = await StartAsync(Server!, messaging => messaging
            .Configure(static o => o with { FindQueuesInterval = TimeSpan.FromMilliseconds(200) })
            .AddConsumer<Tick>($"{begins}*", (tick, context, _) =>
            {
                seen.Enqueue((context.Queue, tick.Number));
                return new(Outcome.Ack);
            }));
        var (bus, status) = (host.GetRequiredService<IMessageBus>(), host.GetRequiredService<MessagingStatus>());
        await bus.SendAsync(one, new Tick(1));
        await transport.DeclareAsync(new([two], []), Deadline);
        await bus.SendAsync(two, new Tick(2));
        await IsAsync(() => seen.Contains((one, 1)) && seen.Contains((two, 2)));

        await DeleteQueueAsync(one);
        await IsAsync(() => !status.Queues.ContainsKey(one) && status.IsHealthy);
        await bus.SendAsync(two, new Tick(3));
        await IsAsync(() => seen.Contains((two, 3)));
        Assert.Equal([two], await ((IQueueList)transport).ListQueuesAsync(begins, Deadline));

        await transport.DeclareAsync(new([one], []), Deadline);
        await bus.SendAsync(one, new Tick(4));
        await IsAsync(() => seen.Contains((one, 4)));
    }

    [Fact]
    public async Task Queues_that_begin_alike_are_consumed_again_after_the_broker_was_away()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        await using var server = await PrivateBroker.StartNewAsync(Kind, Connect);
        await using (var transport = Connect(server.ConnectionString))
        {
            await transport.DeclareAsync(new(["tenant-1"], []), Deadline);
        }

        var handled = new SemaphoreSlim(0);
        await using var host = await StartAsync(server.ConnectionString, messaging => messaging
            .Configure(static o => o with { FindQueuesInterval = TimeSpan.FromMilliseconds(200) })
            .AddConsumer<Tick>("tenant-*", (_, _, _) =>
            {
                handled.Release();
                return new(Outcome.Ack);
            }));
        var status = host.GetRequiredService<MessagingStatus>();
        await IsAsync(() => status.Queues.GetValueOrDefault("tenant-1") == QueueState.Receiving);

        await server.KillAsync(Deadline);
        await IsAsync(() => !status.IsHealthy);
        await server.StartAsync();
        await host.GetRequiredService<IMessageBus>().SendAsync("tenant-1", new Tick(1));
        await handled.WaitAsync(Deadline);
    }

    [Fact]
    public async Task An_idle_consumer_is_unhealthy_while_the_broker_is_dead_and_healthy_again_after()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        await using var server = await PrivateBroker.StartNewAsync(Kind, Connect);
        await using var host = await StartAsync(server.ConnectionString, messaging => messaging
            .AddConsumer<Tick>("idle", static (_, _, _) => new(Outcome.Ack)));
        var status = host.GetRequiredService<MessagingStatus>();

        await IsAsync(() => status is { IsHealthy: true, Error: null });
        await server.KillAsync(Deadline);
        await IsAsync(() => status is { IsHealthy: false, Error.IsTransient: true });
        await server.StartAsync();
        await IsAsync(() => status is { IsHealthy: true, Error: null });
    }

    [Fact]
    public async Task A_hundred_hosts_are_back_within_30_seconds_of_the_broker()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        const int Hosts = 100;
        await using var server = await PrivateBroker.StartNewAsync(Kind, Connect, Configure);
        var hosts = new List<Running>();
        try
        {
            for (var i = 0; i < Hosts; i++)
            {
                hosts.Add(await StartAsync(server.ConnectionString, messaging => messaging
                    .AddConsumer<Tick>("storm", static (_, _, _) => new(Outcome.Ack))));
            }

            await AllAsync(hosts, healthy: true);
            await server.KillAsync(Deadline);
            await AllAsync(hosts, healthy: false);
            await server.StartAsync();
            var watch = Stopwatch.StartNew();
            var times = await AllAsync(hosts, healthy: true);

            output.WriteLine($"back after {times.Min().TotalSeconds:f1} to {times.Max().TotalSeconds:f1} s (median {times.Order().ElementAt(Hosts / 2).TotalSeconds:f1} s)");
            Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(30));
            await hosts[0].GetRequiredService<IMessageBus>().SendAsync("storm", new Tick(1));
        }
        finally
        {
            await Task.WhenAll(hosts.Select(static host => host.DisposeAsync().AsTask()));
        }
    }

    private static string NewName() => $"scale-{Guid.NewGuid():n}"[..18];

    /// <summary>Waits until each host says so, and returns when it did.</summary>
    private static async Task<TimeSpan[]> AllAsync(List<Running> hosts, bool healthy)
    {
        var watch = Stopwatch.StartNew();
        return await Task.WhenAll(hosts.Select(async host =>
        {
            var status = host.GetRequiredService<MessagingStatus>();
            try
            {
                await IsAsync(() => status.IsHealthy == healthy);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"A host is still {(healthy ? "not " : "")}healthy: {string.Join(", ", status.Queues)}, {status.Error}");
            }

            return watch.Elapsed;
        }));
    }

    private static async Task IsAsync(Func<bool> condition)
    {
        var deadline = Deadline;
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!condition())
        {
            await look.WaitForNextTickAsync(deadline);
        }
    }

    private async Task<Running> StartAsync(string connectionString, Action<MessagingBuilder> configure)
    {
        var services = new ServiceCollection();
        configure(Use(services.AddMessaging(), connectionString));
        var running = new Running(services.BuildServiceProvider());
        await running.StartAsync();
        return running;
    }

    /// <summary>A host without a host: the hosted service alone.</summary>
    private sealed class Running(ServiceProvider services) : IAsyncDisposable
    {
        private readonly IHostedService _service = services.GetServices<IHostedService>().Single();

        public T GetRequiredService<T>()
            where T : notnull => services.GetRequiredService<T>();

        public Task StartAsync() => _service.StartAsync(CancellationToken.None);

        public async ValueTask DisposeAsync()
        {
            await _service.StopAsync(CancellationToken.None);
            await services.DisposeAsync();
        }
    }

    [Message("scale.tick")]
    private sealed record Tick(int Number);
}
