using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Consuming;

/// <summary>When a batch is whole, who runs beside whom, and what becomes of each message.</summary>
public sealed class BatchConsumerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task A_full_batch_goes_at_once_and_the_rest_when_its_time_is_over()
    {
        var time = new FakeTimeProvider();
        var batches = new Batches();
        await using var host = await StartAsync(batches.Add, size: 3, wait: TimeSpan.FromSeconds(5), time);

        await SendAsync(host, 1, 2, 3, 4);
        await batches.CountAsync(1);
        Assert.Equal([1, 2, 3], batches.Numbers(0));
        time.Advance(TimeSpan.FromSeconds(4.9));
        Assert.Equal(1, batches.Count);
        await Eventually.IsAsync(() =>
        {
            // Its time began when the first one went, which may be a moment after that was seen.
            time.Advance(TimeSpan.FromSeconds(0.05));
            return batches.Count == 2;
        });
        Assert.Equal([4], batches.Numbers(1));
    }

    [Fact]
    public async Task No_more_batches_run_at_once_than_the_concurrency_says_and_what_waits_meanwhile_goes_together()
    {
        var (gate, batches, added) = (new TaskCompletionSource(), new Batches(), 0);
        await using var host = await StartAsync(
            async (batch, _) =>
            {
                await batches.Add(batch, default);
                await gate.Task;
                return batch[0].Message.Number == 2 ? Outcome.DeadLetter("all of them") : Outcome.Ack;
            },
            size: 4, wait: TimeSpan.Zero, change: options => options.Use(next => context =>
            {
                var outcome = next(context);
                Interlocked.Increment(ref added);
                return outcome;
            }));

        await SendAsync(host, 1);
        await batches.CountAsync(1);
        await SendAsync(host, 2, 3);
        await Eventually.IsAsync(() => Volatile.Read(ref added) == 3);
        Assert.Equal(1, batches.Count);
        gate.SetResult();

        await batches.CountAsync(2);
        Assert.Equal([1], batches.Numbers(0));
        Assert.Equal([2, 3], batches.Numbers(1));
        await Eventually.IsAsync(async () => await host.Services.GetRequiredService<IDeadLetters>().CountAsync("batches") == 2);
    }

    [Fact]
    public async Task An_exception_is_for_those_without_an_outcome_and_an_undecodable_one_is_alone()
    {
        var letters = new List<(string Id, DeadLetterReason Reason)>();
        var acked = new Batches();
        await using var host = await StartAsync(
            (batch, _) =>
            {
                foreach (var item in batch)
                {
                    item.Outcome = item.Message.Number == 2 ? Outcome.Ack : null;
                }

                throw new InvalidOperationException("no");
            },
            size: 2, wait: TimeSpan.FromSeconds(30), change: options => options with { Retry = RetryPolicy.None });

        await host.Bus.SendAsync("batches", new Ping(1), new() { MessageId = "thrown" });
        await host.Bus.SendAsync("batches", "{", new() { ContentType = "application/json", MessageType = "tests.ping", MessageId = "undecodable" });
        await host.Bus.SendAsync("batches", new Ping(2), new() { MessageId = "acked" });

        var dead = host.Services.GetRequiredService<IDeadLetters>();
        await Eventually.IsAsync(async () => await dead.CountAsync("batches") == 2);
        await foreach (var letter in dead.ListAsync("batches"))
        {
            letters.Add((letter.Envelope.Id, letter.Envelope.DeadLetter!.Reason));
        }

        Assert.Equal([("thrown", DeadLetterReason.Exhausted), ("undecodable", DeadLetterReason.Malformed)], letters.Order());
    }

    [Fact]
    public async Task A_batch_has_a_scope_of_its_own_and_carries_on_no_flow()
    {
        await using var host = await TestHost.StartAsync(
            messaging => messaging
                .AddBatchConsumer<ScopedBatches, Ping>(options => options with { Queue = "batches", Batch = new() { MaxSize = 1 } })
                .AddConsumer<Pong>("pongs", (_, context, _) =>
                {
                    context.Services.GetRequiredService<Seen>().Correlation.TrySetResult(context.CorrelationId);
                    return new(Outcome.Ack);
                }),
            static services => services.AddScoped<Scoped>().AddSingleton<Seen>());
        await host.Bus.SendAsync("batches", new Ping(1), new() { CorrelationId = "flow" });

        var result = host.Services.GetRequiredService<Seen>();
        var (own, item) = await result.Scopes.Task.WaitAsync(Patience);
        Assert.NotSame(own, item);
        Assert.Null(await result.Correlation.Task.WaitAsync(Patience));
        await Eventually.IsAsync(() => own.IsDisposed);
    }

    [Fact]
    public async Task A_batch_is_cancelled_when_none_of_its_messages_is_ours_any_more()
    {
        var (begun, cancelled) = (new TaskCompletionSource(), new TaskCompletionSource<CancellationCause[]>());
        var host = await StartAsync(
            async (batch, token) =>
            {
                begun.SetResult();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                cancelled.SetResult([.. batch.Select(static item => item.Context.CancelledBy)]);
                return Outcome.Ack;
            },
            size: 2, wait: TimeSpan.FromSeconds(30), drain: TimeSpan.FromMilliseconds(100));
        await SendAsync(host, 1, 2);
        await begun.Task.WaitAsync(Patience);

        await host.DisposeAsync().AsTask().WaitAsync(Patience);

        Assert.Equal([CancellationCause.Shutdown, CancellationCause.Shutdown], await cancelled.Task.WaitAsync(Patience));
    }

    [Fact]
    public async Task A_message_that_waits_for_its_batch_goes_back_untouched_when_the_drain_is_over()
    {
        var broker = new InMemoryBroker();
        var entered = new TaskCompletionSource();
        var first = await TestHost.StartAsync(messaging => messaging
            .UseInMemory(broker)
            .Configure(static options => options with { DrainTimeout = TimeSpan.FromMilliseconds(100) })
            .UseConsume(next => context =>
            {
                var outcome = next(context);
                entered.TrySetResult();
                return outcome;
            })
            .AddBatchConsumer<Ping>(
                "batches", static (_, _) => throw new InvalidOperationException("never whole"),
                static options => options with { Batch = new() { MaxSize = 2, MaxWait = TimeSpan.FromHours(1) } }));
        await SendAsync(first, 1);
        await entered.Task.WaitAsync(Patience);
        await first.DisposeAsync().AsTask().WaitAsync(Patience);

        var seen = new TaskCompletionSource<(int Attempt, int Redeliveries)>();
        await using var second = await TestHost.StartAsync(messaging => messaging.UseInMemory(broker).AddConsumer<Ping>("batches", (_, context, _) =>
        {
            seen.TrySetResult((context.Attempt, context.Redeliveries));
            return new(Outcome.Ack);
        }));
        Assert.Equal((1, 0), await seen.Task.WaitAsync(Patience));
    }

    [Theory]
    [InlineData(0, 1, "batch of 0")]
    [InlineData(5000, 3, "from 1 to 10000")]
    public async Task Batches_that_cannot_be_are_refused_at_start(int size, int concurrency, string part)
    {
        var error = await Assert.ThrowsAsync<MessagingConfigurationException>(() => TestHost.StartAsync(messaging => messaging.AddBatchConsumer<Ping>(
            "batches", static (_, _) => new(Outcome.Ack), options => options with { Concurrency = concurrency, Batch = new() { MaxSize = size } })));
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Options_of_batches_and_order_exclude_each_other_and_single_consumers_have_none()
    {
        await Refused(messaging => messaging.AddConsumer<Ping>("q", static (_, _, _) => new(Outcome.Ack), options => options with { Batch = new() }));
        await Refused(messaging => messaging.AddBatchConsumer<Ping>("q", static (_, _) => new(Outcome.Ack), options => options with { Batch = null }));
        await Refused(messaging => messaging.AddBatchConsumer<Ping>("q", static (_, _) => new(Outcome.Ack), options => options with { Order = MessageOrder.ByKey }));
        await Refused(messaging => messaging.AddBatchConsumer<Ping>(
            "q", static (_, _) => new(Outcome.Ack), options => options with { Batch = new() { MaxWait = TimeSpan.FromSeconds(-1) } }));

        static Task Refused(Action<MessagingBuilder> register) => Assert.ThrowsAsync<MessagingConfigurationException>(() => TestHost.StartAsync(register));
    }

    private static Task<TestHost> StartAsync(
        Func<IReadOnlyList<BatchItem<Ping>>, CancellationToken, ValueTask<Outcome>> consume, int size, TimeSpan wait,
        TimeProvider? time = null, Func<ConsumerOptions, ConsumerOptions>? change = null, TimeSpan? drain = null) => TestHost.StartAsync(
        messaging => messaging
            .Configure(options => options with { DrainTimeout = drain ?? Patience })
            .AddBatchConsumer("batches", consume, options => (change?.Invoke(options) ?? options) with { Batch = new() { MaxSize = size, MaxWait = wait } }),
        services => services.AddSingleton(time ?? TimeProvider.System));

    private static async Task SendAsync(TestHost host, params int[] numbers)
    {
        foreach (var number in numbers)
        {
            await host.Bus.SendAsync("batches", new Ping(number));
        }
    }

    private sealed class Batches
    {
        private readonly List<int[]> _batches = [];

        public int Count => Locked(static batches => batches.Count);

        public int Sum => Locked(static batches => batches.Sum(static batch => batch.Length));

        public ValueTask<Outcome> Add(IReadOnlyList<BatchItem<Ping>> batch, CancellationToken cancellationToken)
        {
            lock (_batches)
            {
                _batches.Add([.. batch.Select(static item => item.Message.Number)]);
            }

            return new(Outcome.Ack);
        }

        public int[] Numbers(int batch) => Locked(batches => batches[batch]);

        public Task CountAsync(int count) => Eventually.IsAsync(() => Count == count);

        private T Locked<T>(Func<List<int[]>, T> read)
        {
            lock (_batches)
            {
                return read(_batches);
            }
        }
    }

    private sealed class Seen
    {
        public TaskCompletionSource<(Scoped Own, Scoped Item)> Scopes { get; } = new();

        public TaskCompletionSource<string?> Correlation { get; } = new();
    }

    private sealed class Scoped : IDisposable
    {
        public bool IsDisposed { get; private set; }

        public void Dispose() => IsDisposed = true;
    }

    private sealed class ScopedBatches(Scoped scoped, Seen seen, IMessageBus bus) : IBatchConsumer<Ping>
    {
        public async ValueTask<Outcome> ConsumeAsync(IReadOnlyList<BatchItem<Ping>> batch, CancellationToken cancellationToken)
        {
            seen.Scopes.TrySetResult((scoped, batch[0].Context.Services.GetRequiredService<Scoped>()));
            await bus.SendAsync("pongs", new Pong(1), cancellationToken: cancellationToken);
            return Outcome.Ack;
        }
    }
}
