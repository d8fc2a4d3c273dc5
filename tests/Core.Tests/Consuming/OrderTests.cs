using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Consuming;

/// <summary>Messages of one key one after another, and what happens to them at a failure and at the end.</summary>
public sealed class OrderTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task One_of_a_key_runs_at_a_time_in_order_while_other_keys_and_those_without_run_beside_it()
    {
        const int Each = 200;
        string?[] keys = ["a", "b", "c", null];
        var running = new ConcurrentDictionary<string, int>();
        var handled = new ConcurrentQueue<(string? Key, int Number)>();
        var (most, overlaps, all) = (0, 0, 0);
        var broker = new InMemoryBroker();
        await StoreAsync(broker, Enumerable.Range(0, Each).SelectMany(number => keys.Select(key => (key, number))));

        await using var host = await StartAsync(broker, async (ping, context, token) =>
        {
            Max(ref most, Interlocked.Increment(ref all));
            if (context.Key is { } key)
            {
                Interlocked.Add(ref overlaps, running.AddOrUpdate(key, 0, static (_, before) => before + 1));
                await Task.Yield();
                handled.Enqueue((key, ping.Number));
                running.TryRemove(key, out _);
            }
            else
            {
                await Task.Yield();
                handled.Enqueue((null, ping.Number));
            }

            Interlocked.Decrement(ref all);
            return Outcome.Ack;
        });
        await Eventually.IsAsync(() => handled.Count == Each * keys.Length);

        Assert.Equal(0, overlaps);
        Assert.True(most > 1, "Nothing ran beside anything else.");
        foreach (var key in keys.Where(static key => key is not null))
        {
            Assert.Equal(Enumerable.Range(0, Each), handled.Where(one => one.Key == key).Select(static one => one.Number));
        }
    }

    [Fact]
    public async Task One_that_fails_lets_the_others_pass_unless_it_is_to_hold_them()
    {
        Assert.Equal(["1.1", "2.1", "3.1", "1.2"], await RunsAsync(MessageOrder.ByKey));
        Assert.Equal(["1.1", "1.2", "2.1", "3.1"], await RunsAsync(MessageOrder.ByKeyWithRetries));

        static async Task<string[]> RunsAsync(MessageOrder order)
        {
            var runs = new ConcurrentQueue<string>();
            var broker = new InMemoryBroker();
            await StoreAsync(broker, [("a", 1), ("a", 2), ("a", 3)]);
            await using var host = await StartAsync(
                broker,
                (ping, context, _) =>
                {
                    runs.Enqueue($"{ping.Number}.{context.Attempt}");
                    return new(ping.Number == 1 && context.Attempt == 1 ? Outcome.Retry(TimeSpan.FromMilliseconds(300)) : Outcome.Ack);
                },
                order);
            await Eventually.IsAsync(() => runs.Count == 4);
            return [.. runs];
        }
    }

    [Fact]
    public async Task Held_attempts_count_and_end_in_a_dead_letter_that_tells_them()
    {
        var broker = new InMemoryBroker();
        await StoreAsync(broker, [("a", 1), ("a", 2)]);
        var handled = new TaskCompletionSource();
        await using var host = await StartAsync(
            broker,
            (ping, _, _) =>
            {
                if (ping.Number == 1)
                {
                    throw new InvalidOperationException("never");
                }

                handled.SetResult();
                return new(Outcome.Ack);
            },
            MessageOrder.ByKeyWithRetries,
            options => options with { Retry = RetryPolicy.Fixed(TimeSpan.FromMilliseconds(1)) with { MaxAttempts = 4 } });
        await handled.Task.WaitAsync(Patience);

        var letters = host.Services.GetRequiredService<IDeadLetters>();
        await Eventually.IsAsync(async () => await letters.CountAsync("ordered") == 1);
        await foreach (var letter in letters.ListAsync("ordered"))
        {
            Assert.Equal((DeadLetterReason.Exhausted, 4), (letter.Envelope.DeadLetter!.Reason, letter.Envelope.DeadLetter.Attempts));
        }
    }

    [Fact]
    public async Task What_is_held_or_waits_goes_back_untouched_and_in_order_when_the_host_stops()
    {
        var broker = new InMemoryBroker();
        await StoreAsync(broker, [("a", 1), ("a", 2), ("a", 3)]);
        var begun = new TaskCompletionSource();
        var first = await StartAsync(
            broker,
            (_, _, _) =>
            {
                begun.TrySetResult();
                return new(Outcome.Retry(TimeSpan.FromHours(1)));
            },
            MessageOrder.ByKeyWithRetries);
        await begun.Task.WaitAsync(Patience);
        await first.DisposeAsync().AsTask().WaitAsync(Patience);

        var seen = new ConcurrentQueue<(int, int, int)>();
        await using var second = await StartAsync(broker, (ping, context, _) =>
        {
            seen.Enqueue((ping.Number, context.Attempt, context.Redeliveries));
            return new(Outcome.Ack);
        });
        await Eventually.IsAsync(() => seen.Count == 3);
        Assert.Equal([(1, 1, 0), (2, 1, 0), (3, 1, 0)], seen);
    }

    [Theory]
    [InlineData(MessageOrder.None)]
    [InlineData(MessageOrder.ByKey)]
    public async Task Nothing_begins_behind_a_message_that_stops_the_queue(MessageOrder order)
    {
        var broker = new InMemoryBroker();
        await StoreAsync(broker, Enumerable.Range(1, 20).Select(static number => ((string?)"a", number)));
        var seen = new ConcurrentQueue<int>();
        var first = await StartAsync(
            broker,
            (ping, _, _) =>
            {
                seen.Enqueue(ping.Number);
                return ping.Number == 3 ? throw new InvalidOperationException("never") : new(Outcome.Ack);
            },
            order,
            options => options with { Concurrency = order == MessageOrder.None ? 1 : 8, Retry = RetryPolicy.None with { OnExhausted = ExhaustedMessage.Stop } });
        await Eventually.IsAsync(() => first.Status.Queues["ordered"] == QueueState.Paused);
        Assert.False(first.Status.IsHealthy);
        Assert.Equal([1, 2, 3], seen);
        await first.DisposeAsync().AsTask().WaitAsync(Patience);

        await using var second = await StartAsync(broker, (ping, _, _) =>
        {
            seen.Enqueue(ping.Number);
            return new(Outcome.Ack);
        });
        await Eventually.IsAsync(() => second.Status.Queues["ordered"] == QueueState.Paused);
        Assert.Equal(3, seen.Count);
        var control = second.Services.GetRequiredService<IQueueControl>();
        Assert.Contains("stopped the queue", Assert.Single(await control.GetPausedAsync()).Reason, StringComparison.Ordinal);
        await control.ResumeAsync("ordered");
        await Eventually.IsAsync(() => seen.Count == 21);
        Assert.Equal(Enumerable.Range(3, 18), seen.Skip(3));
    }

    [Fact]
    public async Task A_held_run_that_times_out_begins_anew_with_a_clean_context_and_an_immediate_retry_needs_no_timer()
    {
        var broker = new InMemoryBroker();
        await StoreAsync(broker, [("a", 1), ("a", 2)]);
        var runs = new ConcurrentQueue<(int Number, int Attempt, CancellationCause Cause)>();
        await using var host = await StartAsync(
            broker,
            async (ping, context, token) =>
            {
                runs.Enqueue((ping.Number, context.Attempt, context.CancelledBy));
                if (ping.Number == 1 && context.Attempt == 1)
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token);
                }

                return Outcome.Ack;
            },
            MessageOrder.ByKeyWithRetries,
            options => options with { Retry = RetryPolicy.Immediate, Middleware = [HandlerTimeout.Create(TimeSpan.FromMilliseconds(50))] });

        await Eventually.IsAsync(() => runs.Count == 3);
        Assert.Equal([(1, 1, CancellationCause.None), (1, 2, CancellationCause.None), (2, 1, CancellationCause.None)], runs);
    }

    [Fact]
    public async Task Those_behind_a_handler_that_outlives_the_drain_go_back_behind_it()
    {
        var broker = new InMemoryBroker();
        await StoreAsync(broker, [("a", 1), ("a", 2), ("a", 3)]);
        var begun = new TaskCompletionSource();
        var released = new ConcurrentQueue<string>();
        var first = await TestHost.StartAsync(messaging => messaging
            .Configure(static options => options with { DrainTimeout = TimeSpan.FromMilliseconds(200) })
            .UseTransport("watched", _ => new ReleaseWatch(new InMemoryTransport(broker), released))
            .AddConsumer<Ping>(
                "ordered",
                async (_, _, token) =>
                {
                    begun.TrySetResult();
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token);
                    return Outcome.Ack;
                },
                static options => options with { Order = MessageOrder.ByKey }));
        await begun.Task.WaitAsync(Patience);
        await first.DisposeAsync().AsTask().WaitAsync(Patience);

        Assert.Equal(["1", "2", "3"], released);
    }

    [Fact]
    public async Task A_message_whose_handler_never_ends_goes_back_with_those_behind_it()
    {
        var broker = new InMemoryBroker();
        await StoreAsync(broker, [("a", 1), ("a", 2), ("a", 3)]);
        var (begun, never) = (new TaskCompletionSource(), new TaskCompletionSource());
        var first = await TestHost.StartAsync(messaging => messaging
            .UseInMemory(broker)
            .Configure(static options => options with { DrainTimeout = TimeSpan.FromMilliseconds(100) })
            .AddConsumer<Ping>(
                "ordered",
                async (_, _, _) =>
                {
                    begun.TrySetResult();
                    await never.Task;
                    return Outcome.Ack;
                },
                static options => options with { Order = MessageOrder.ByKey, Lease = TimeSpan.FromHours(1) }));
        await begun.Task.WaitAsync(Patience);
        await first.StopAsync().WaitAsync(Patience);

        var seen = new ConcurrentQueue<int>();
        await using var second = await StartAsync(broker, (ping, _, _) =>
        {
            seen.Enqueue(ping.Number);
            return new(Outcome.Ack);
        });
        await Eventually.IsAsync(() => seen.Count == 3);
        Assert.Equal([1, 2, 3], seen);
        never.SetResult();
        await first.DisposeAsync();
    }

    [Theory]
    [InlineData(30, false)]
    [InlineData(3, true)]
    public async Task Holding_for_longer_than_a_lease_that_cannot_be_renewed_is_refused_at_start(int lease, bool refused)
    {
        var transport = new ScriptedTransport { Capabilities = new ScriptedTransport().Capabilities with { LeaseRenewal = Capability.Unsupported("it has none") } };
        await using var host = TestHost.Create(messaging => messaging.UseTransport("scripted", _ => transport).AddConsumer<Ping>(
            "ordered", static (_, _, _) => new(Outcome.Ack),
            options => options with
            {
                Order = MessageOrder.ByKeyWithRetries,
                Lease = TimeSpan.FromSeconds(lease),
                Retry = RetryPolicy.Fixed(TimeSpan.FromSeconds(2)) with { MaxAttempts = 3 },
            }));
        if (refused)
        {
            Assert.Contains("ordered", (await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync)).Message, StringComparison.Ordinal);
        }
        else
        {
            await host.StartAsync();
        }
    }

    private static void Max(ref int most, int value)
    {
        int before;
        while ((before = Volatile.Read(ref most)) < value && Interlocked.CompareExchange(ref most, value, before) != before)
        {
        }
    }

    /// <summary>Before anybody consumes them, so that one claim brings many.</summary>
    private static async Task StoreAsync(InMemoryBroker broker, IEnumerable<(string? Key, int Number)> messages)
    {
        await using (await StartAsync(broker, static (_, _, _) => new(Outcome.Ack)))
        {
        }

        await using var publisher = await TestHost.StartAsync(messaging => messaging.UseInMemory(broker));
        foreach (var (key, number) in messages)
        {
            await publisher.Bus.SendAsync("ordered", new Ping(number), new() { Key = key });
        }
    }

    private static Task<TestHost> StartAsync(
        InMemoryBroker broker, Func<Ping, ConsumeContext, CancellationToken, ValueTask<Outcome>> consume, MessageOrder order = MessageOrder.ByKey,
        Func<ConsumerOptions, ConsumerOptions>? change = null) => TestHost.StartAsync(messaging => messaging
            .UseInMemory(broker)
            .AddConsumer("ordered", consume, options => (change?.Invoke(options) ?? options) with { Order = order }));

    /// <summary>Notes in which order deliveries are handed back.</summary>
    private sealed class ReleaseWatch(ITransport inner, ConcurrentQueue<string> released) : ITransport
    {
        public TransportCapabilities Capabilities => inner.Capabilities;

        public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => inner.DeclareAsync(topology, cancellationToken);

        public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
            inner.PublishAsync(batch, results, cancellationToken);

        public async ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) =>
            new Receiver(await inner.OpenReceiverAsync(options, cancellationToken), released);

        public ValueTask DisposeAsync() => inner.DisposeAsync();

        private sealed class Receiver(IReceiver inner, ConcurrentQueue<string> released) : IReceiver
        {
            public ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken) => inner.ReceiveAsync(max, cancellationToken);

            public ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
            {
                foreach (var settlement in batch.Span)
                {
                    using var body = System.Text.Json.JsonDocument.Parse(settlement.Delivery.Envelope.Body);
                    released.Enqueue(settlement.Kind == SettlementKind.Release ? body.RootElement.GetProperty("number").ToString() : $"{settlement.Kind}");
                }

                return inner.SettleAsync(batch, results, cancellationToken);
            }

            public ValueTask StopAsync(CancellationToken cancellationToken) => inner.StopAsync(cancellationToken);

            public ValueTask DisposeAsync() => inner.DisposeAsync();
        }
    }
}
