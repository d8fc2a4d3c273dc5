using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.FlowControl;

/// <summary>After too many failures nothing is taken for a while, in no process; then one message at a time is tried.</summary>
public sealed class CircuitBreakerTests
{
    private static readonly CircuitBreakerOptions Short = new() { Failures = 3, Pause = TimeSpan.FromMilliseconds(600), LongestPause = TimeSpan.FromSeconds(30) };

    [Fact]
    public async Task It_opens_for_all_processes_and_a_success_lets_all_go_on()
    {
        var app = new App();
        await using var one = await app.HostAsync(Short with { Pause = TimeSpan.FromSeconds(1) });
        await using var other = await app.HostAsync(Short with { Pause = TimeSpan.FromSeconds(1) });
        await SendAsync(one, 20);

        await Eventually.IsAsync(() => one.Status.Queues["sparing"] == QueueState.Paused && other.Status.Queues["sparing"] == QueueState.Paused);
        var open = Assert.Single(await Control(other).GetOpenCircuitsAsync());
        Assert.Equal(("sparing", 1, false), (open.Queue, open.Trips, open.IsHalfOpen));
        Assert.Contains("downstream is away", open.Reason, StringComparison.Ordinal);
        Assert.InRange(open.Until - TimeProvider.System.GetUtcNow(), TimeSpan.FromSeconds(-1), TimeSpan.FromSeconds(1));

        app.Fails = false;
        await Eventually.IsAsync(() => app.Succeeded.Distinct().Count() == 20);
        await Eventually.IsAsync(() => one.Status.Queues["sparing"] == QueueState.Receiving && other.Status.Queues["sparing"] == QueueState.Receiving);
        Assert.Empty(await Control(one).GetOpenCircuitsAsync());
        Assert.Empty(await new InMemoryStateStore(app.Broker).ListAsync("circuits"));
    }

    [Fact]
    public async Task Nothing_runs_while_it_is_open_and_then_one_message_at_a_time_in_one_process()
    {
        var app = new App();
        await using var one = await app.HostAsync(Short);
        await using var other = await app.HostAsync(Short);
        await SendAsync(one, 40);
        await Eventually.IsAsync(() => one.Status.Queues["sparing"] == QueueState.Paused && other.Status.Queues["sparing"] == QueueState.Paused);
        var before = app.Runs;
        app.MostAtOnce = 0;

        await Eventually.IsAsync(async () => await TripsAsync(one) >= 3);
        Assert.Equal(1, app.MostAtOnce);
        Assert.InRange(app.Runs - before, 2, 6);
    }

    /// <summary>Else a store that takes its time costs an attempt of every message that comes meanwhile.</summary>
    [Fact]
    public async Task Half_open_the_next_message_is_tried_when_all_know_what_the_last_one_came_to()
    {
        var app = new App();
        var store = new BetweenStore(new InMemoryStateStore(app.Broker), () => new(Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System)));
        await using var host = await app.HostAsync(Short, m => m.UseStateStore(_ => store));
        await SendAsync(host, 40);
        await Eventually.IsAsync(() => host.Status.Queues["sparing"] == QueueState.Paused);
        var before = app.Runs;

        await Eventually.IsAsync(async () => await TripsAsync(host) >= 3);
        Assert.InRange(app.Runs - before, 2, 6);
    }

    [Fact]
    public async Task Each_further_pause_is_twice_as_long_up_to_the_longest()
    {
        var app = new App();
        await using var host = await app.HostAsync(Short with { Pause = TimeSpan.FromMilliseconds(300), LongestPause = TimeSpan.FromSeconds(1) });
        await SendAsync(host, 40);
        var pauses = new Dictionary<int, TimeSpan>();
        await Eventually.IsAsync(() =>
        {
            foreach (var (_, text) in app.Log.Lines.Where(static line => line.Id == 99))
            {
                var words = text.Split(' ');
                pauses[int.Parse(words[Array.IndexOf(words, "time,") - 1].TrimEnd('.'), null)] = TimeSpan.Parse(words[Array.LastIndexOf(words, "for") + 1].TrimEnd(':'), null);
            }

            return pauses.ContainsKey(4);
        });
        Assert.Equal([300, 600, 1000, 1000], pauses.OrderBy(static one => one.Key).Take(4).Select(static one => one.Value.TotalMilliseconds));

        // A success ends the row.
        app.Fails = false;
        await Eventually.IsAsync(() => app.Succeeded.Distinct().Count() == 40);
        app.Fails = true;
        await SendAsync(host, 10);
        await Eventually.IsAsync(async () => await TripsAsync(host) > 0);
        Assert.InRange(await TripsAsync(host), 1, 2);
    }

    [Fact]
    public async Task What_is_no_failure_by_its_filter_does_not_count()
    {
        var app = new App();
        await using var host = await app.HostAsync(Short with { Counts = static e => e is TimeoutException });
        await SendAsync(host, 30);
        await Eventually.IsAsync(() => app.Runs >= 60);
        Assert.Equal(0, await TripsAsync(host));
        Assert.Equal(QueueState.Receiving, host.Status.Queues["sparing"]);
    }

    [Fact]
    public async Task Resuming_the_queue_closes_it()
    {
        var app = new App();
        await using var host = await app.HostAsync(Short with { Pause = TimeSpan.FromMinutes(5), LongestPause = TimeSpan.FromMinutes(5) });
        await SendAsync(host, 10);
        await Eventually.IsAsync(() => host.Status.Queues["sparing"] == QueueState.Paused);
        app.Fails = false;
        Assert.True(await Control(host).ResumeAsync("sparing"));
        await Eventually.IsAsync(() => app.Succeeded.Distinct().Count() == 10);
    }

    [Fact]
    public async Task No_attempt_is_burnt_by_it()
    {
        var app = new App();
        await using var host = await app.HostAsync(Short with { Pause = TimeSpan.FromMilliseconds(300) });
        await SendAsync(host, 100);
        await Eventually.IsAsync(async () => await TripsAsync(host) >= 2);
        app.Fails = false;
        await Eventually.IsAsync(() => app.Succeeded.Distinct().Count() == 100);

        // Whoever failed is one attempt further, and nobody else.
        Assert.Equal(app.Runs, app.Attempts.Values.Sum());
    }

    [Fact]
    public async Task Without_a_state_store_it_is_this_processs_own()
    {
        var app = new App();
        await using var host = await app.HostAsync(Short, m => m.UseTransport("no state", services => new StatelessTransport(new InMemoryTransport(app.Broker))));
        await SendAsync(host, 10);
        await Eventually.IsAsync(() => host.Status.Queues["sparing"] == QueueState.Paused);
        app.Fails = false;
        await Eventually.IsAsync(() => app.Succeeded.Distinct().Count() == 10);
    }

    [Theory]
    [InlineData(0, 10, 30, 1000, 5000)]
    [InlineData(1, 0, 30, 1000, 5000)]
    [InlineData(1, 10, 0, 1000, 5000)]
    [InlineData(1, 10, 30, 50, 5000)]
    [InlineData(1, 10, 30, 1000, 999)]
    public async Task Impossible_options_are_refused(int failures, int handled, int window, int pause, int longest)
    {
        await using var host = TestHost.Create(m => m.AddConsumer<Ping>("sparing", static (_, _, _) => new(Outcome.Ack), options => options with
        {
            CircuitBreaker = new()
            {
                Failures = failures,
                MinimumHandled = handled,
                Window = TimeSpan.FromSeconds(window),
                Pause = TimeSpan.FromMilliseconds(pause),
                LongestPause = TimeSpan.FromMilliseconds(longest),
            },
        }));
        var refused = await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync);
        Assert.Contains("CircuitBreaker", refused.Message, StringComparison.Ordinal);
    }

    private static IQueueControl Control(TestHost host) => host.Services.GetRequiredService<IQueueControl>();

    private static async Task<int> TripsAsync(TestHost host) => (await Control(host).GetOpenCircuitsAsync()) is [var circuit] ? circuit.Trips : 0;

    private static async Task SendAsync(TestHost host, int count)
    {
        for (var i = 0; i < count; i++)
        {
            await host.Bus.PublishAsync(new Ping(i));
        }
    }

    private sealed class App
    {
        private int _running;
        private int _runs;

        public InMemoryBroker Broker { get; } = new() { DuplicateWindow = TimeSpan.Zero };

        public ListLog Log { get; } = new();

        public bool Fails { get; set; } = true;

        public int Running => Volatile.Read(ref _running);

        public int Runs => Volatile.Read(ref _runs);

        public int MostAtOnce { get; set; }

        public ConcurrentQueue<int> Succeeded { get; } = new();

        public ConcurrentDictionary<string, int> Attempts { get; } = new();

        public Task<TestHost> HostAsync(CircuitBreakerOptions options, Action<MessagingBuilder>? register = null) => TestHost.StartAsync(
            m =>
            {
                m.UseInMemory(Broker).AddConsumer<Ping>(
                    "sparing",
                    async (ping, context, _) =>
                    {
                        MostAtOnce = Math.Max(MostAtOnce, Interlocked.Increment(ref _running));
                        Interlocked.Increment(ref _runs);
                        Attempts[context.MessageId] = context.Attempt;
                        await Task.Yield();
                        Interlocked.Decrement(ref _running);
                        if (Fails)
                        {
                            throw new InvalidOperationException("The downstream is away.");
                        }

                        Succeeded.Enqueue(ping.Number);
                        return Outcome.Ack;
                    },
                    o => o with { CircuitBreaker = options, Retry = RetryPolicy.Fixed(TimeSpan.FromMilliseconds(20)) with { MaxAttempts = 1000 } });
                register?.Invoke(m);
            },
            services => services.AddLogging(logging => logging.AddProvider(Log)));
    }
}
