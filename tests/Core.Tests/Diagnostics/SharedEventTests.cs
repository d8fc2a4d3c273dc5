using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Diagnostics;

/// <summary>Observers of every host are told once of each change of what the processes share, whoever changed it.</summary>
public sealed class SharedEventTests
{
    private static readonly CircuitBreakerOptions Breaker = new() { Failures = 2, Pause = TimeSpan.FromMilliseconds(300) };

    private readonly InMemoryBroker _broker = new();

    [Fact]
    public async Task They_are_told_who_comes_and_who_leaves()
    {
        var seen = new Seen();
        await using var first = await HostAsync("first", seen);
        await Eventually.IsAsync(() => seen.Any(static one => one is ProcessRegistered { IsThis: true, Process.Name: "first" }));
        var late = new Seen();
        var second = await HostAsync("second", late);
        await Eventually.IsAsync(() => seen.Any(static one => one is ProcessRegistered { IsThis: false, Process.Name: "second" }));
        await Eventually.IsAsync(() => late.Count(static one => one is ProcessRegistered) == 2);
        await second.DisposeAsync();
        await Eventually.IsAsync(() => seen.Any(static one => one is ProcessLeft { IsThis: false, Process.Name: "second" }));

        Assert.Single(late, static one => one is ProcessLeft { IsThis: true, Process.Name: "second" });
        Assert.Equal(3, seen.Count(IsOfProcesses));
        Assert.Single(late, static one => one is ProcessRegistered { IsThis: false, Process.Name: "first" });
        Assert.Equal(3, late.Count(IsOfProcesses));
    }

    [Fact]
    public async Task They_are_told_who_was_taken_for_dead_by_that_one_and_by_the_others()
    {
        var (cut, seen) = (new Seen(), new Seen());
        var store = new CutStore(_broker);
        await using var other = await HostAsync("other", seen);
        await using var dead = await HostAsync("dead", cut, m => m.UseStateStore(_ => store));
        await Eventually.IsAsync(() => seen.Any(static one => one is ProcessRegistered { Process.Name: "dead" }));
        await Eventually.IsAsync(() => cut.Any(static one => one is ProcessRegistered { IsThis: true }));

        store.IsCut = store.IsSlow = true;
        await Eventually.IsAsync(() => seen.Any(static one => one is ProcessReaped { IsThis: false, Process.Name: "dead" }));
        store.IsCut = false;
        await Eventually.IsAsync(() => seen.Count(static one => one is ProcessRegistered { Process.Name: "dead" }) == 2);
        await Eventually.IsAsync(() => cut.Count(static one => one is ProcessRegistered { IsThis: true }) == 2);
        store.IsSlow = false;
        await using var late = await HostAsync("late", new Seen());
        await Eventually.IsAsync(() => cut.Any(static one => one is ProcessRegistered { Process.Name: "late" }));

        string[] ids = [.. cut.OfType<ProcessRegistered>().Where(static one => one.IsThis).Select(static one => one.Process.Id)];
        Assert.Equal(ids[0], Assert.Single(cut.OfType<ProcessReaped>(), static one => one.IsThis).Process.Id);
        Assert.NotEqual(ids[0], ids[1]);
        Assert.Single(seen, static one => one is ProcessReaped);
        Assert.DoesNotContain(seen, static one => one is ProcessLeft);

        // What it sees of its own old entry is nobody else's end.
        Assert.DoesNotContain(cut, static one => one is (ProcessReaped { IsThis: false } or ProcessRegistered { IsThis: false, Process.Name: "dead" } or ProcessLeft { Process.Name: "dead" }));
    }

    [Fact]
    public async Task They_are_told_of_pauses_and_why_and_by_whom_also_of_those_from_before_the_start()
    {
        var (one, other) = (new Seen(), new Seen());
        await using var first = await HostAsync("first", one);
        await using var second = await HostAsync("second", other);
        var control = first.Services.GetRequiredService<IQueueControl>();
        await control.PauseAsync("elsewhere", "no concern of these");
        await control.PauseAsync("q", "maintenance");
        await Eventually.IsAsync(() => one.Any(IsPaused) && other.Any(IsPaused));
        var late = new Seen();
        await using var third = await HostAsync("third", late);
        await Eventually.IsAsync(() => late.Any(IsPaused));
        await control.ResumeAsync("q");
        await Eventually.IsAsync(() => new[] { one, other, late }.All(static seen => seen.Any(static happened => happened is QueueResumed { Queue: "q", Transport: "inmemory" })));

        Assert.All([one, other, late], static seen =>
        {
            Assert.Equal(2, seen.Count(static happened => happened is QueuePaused or QueueResumed));
            var paused = Assert.Single(seen.OfType<QueuePaused>());
            Assert.Equal(("q", "maintenance", "inmemory"), (paused.Queue, paused.Reason, paused.Transport));
            Assert.StartsWith("first on ", paused.By, StringComparison.Ordinal);
        });

        static bool IsPaused(MessagingEvent happened) => happened is QueuePaused;
    }

    [Fact]
    public async Task They_are_told_of_circuit_breakers_that_open_are_half_open_and_close()
    {
        var (one, other, fails) = (new Seen(), new Seen(), true);
        await using var first = await HostAsync("first", one, change: Spared);
        await using var second = await HostAsync("second", other, change: Spared);
        for (var i = 0; i < 10; i++)
        {
            await first.Bus.SendAsync("q", new Ping(i));
        }

        await Eventually.IsAsync(() => one.Any(static happened => happened is CircuitOpened { Trips: 2 }) && other.Any(static happened => happened is CircuitOpened { Trips: 2 }));
        Volatile.Write(ref fails, false);
        await Eventually.IsAsync(() => one.Any(static happened => happened is CircuitClosed) && other.Any(static happened => happened is CircuitClosed));

        Assert.All([one, other], static seen =>
        {
            var circuit = seen.Where(IsOfCircuit).ToArray();
            Assert.All(circuit, static happened => Assert.Equal("inmemory", happened.Transport));
            string[] expected = [.. Enumerable.Range(1, circuit.Count(static happened => happened is CircuitOpened)).SelectMany(static trips => new[] { $"open {trips}", "half-open" }), "closed"];
            Assert.Equal(expected, circuit.Select(static happened => happened is CircuitOpened open ? $"open {open.Trips}" : happened is CircuitClosed ? "closed" : "half-open"));
            Assert.All(circuit.OfType<CircuitOpened>(), static open => Assert.Contains("downstream is away", open.Reason, StringComparison.Ordinal));
        });

        ConsumerOptions Spared(ConsumerOptions options) => options with
        {
            CircuitBreaker = Breaker,
            Retry = RetryPolicy.Fixed(TimeSpan.FromMilliseconds(20)) with { MaxAttempts = 1000 },
            Middleware = [next => async context =>
            {
                // Half-open for a moment only would be seen by nobody.
                await Eventually.IsAsync(() => new[] { one, other }.All(static seen => seen.LastOrDefault(IsOfCircuit) is not CircuitOpened));
                return Volatile.Read(ref fails) ? throw new InvalidOperationException("The downstream is away.") : await next(context);
            }],
        };

        static bool IsOfCircuit(MessagingEvent happened) => happened is CircuitOpened or CircuitHalfOpened or CircuitClosed;
    }

    [Fact]
    public async Task They_are_told_that_an_open_circuit_closes_when_the_queue_is_resumed()
    {
        var (seen, store) = (new Seen(), new CutStore(_broker));
        await using var host = await HostAsync("first", seen, m => m.UseStateStore(_ => store), static options => options with
        {
            CircuitBreaker = Breaker with { Pause = TimeSpan.FromMinutes(5) },
            Middleware = [static _ => static _ => throw new InvalidOperationException("The downstream is away.")],
        });
        await host.Bus.SendAsync("q", new Ping(1));
        await Eventually.IsAsync(async () => seen.Any(static happened => happened is CircuitOpened) && (await store.ListAsync("circuits", default)).Count == 2);
        await Eventually.IsAsync(async () => await host.Services.GetRequiredService<IQueueControl>().ResumeAsync("q"));
        await Eventually.IsAsync(() => seen.Any(static happened => happened is CircuitClosed));

        Assert.DoesNotContain(seen, static happened => happened is CircuitHalfOpened);
        Assert.Equal(["circuits.trips.q", "circuits.open.q"], store.Deleted);
    }

    [Fact]
    public async Task They_are_told_of_a_place_won_given_back_and_lost()
    {
        var (one, other) = (new Seen(), new Seen());
        var store = new CutStore(_broker);
        var first = await HostAsync("first", one, change: Alone);
        await Eventually.IsAsync(() => one.Any(IsWon));
        await using var second = await HostAsync(
            "second", other,
            // Else it would be taken for dead too while it is cut off, and give its place up once more.
            m => m.UseStateStore(_ => store).Configure(static options => options with { ProcessTimeToLive = TimeSpan.FromMinutes(1) }),
            Alone);
        await Eventually.IsAsync(() => second.Status.Queues["q"] == QueueState.Standby);
        Assert.DoesNotContain(other, IsOfPlace);
        await first.DisposeAsync();
        await Eventually.IsAsync(() => other.Any(IsWon));

        store.IsCut = true;
        await Eventually.IsAsync(() => other.Any(static happened => happened is PlaceLost { Queue: "q", IsGivenBack: false, Transport: "inmemory" }));
        store.IsCut = false;
        await Eventually.IsAsync(() => other.Count(IsWon) == 2);

        Assert.Equal([new PlaceWon("q"), new PlaceLost("q", IsGivenBack: true)], one.Where(IsOfPlace).Select(static happened => happened with { At = default, Transport = null }));
        Assert.Equal(3, other.Count(IsOfPlace));

        static ConsumerOptions Alone(ConsumerOptions options) => options with { SingleActive = true };
        static bool IsWon(MessagingEvent happened) => happened is PlaceWon { Queue: "q", Transport: "inmemory" };
        static bool IsOfPlace(MessagingEvent happened) => happened is PlaceWon or PlaceLost;
    }

    private static bool IsOfProcesses(MessagingEvent happened) => happened is ProcessRegistered or ProcessLeft or ProcessReaped;

    private Task<TestHost> HostAsync(string name, Seen seen, Action<MessagingBuilder>? register = null, Func<ConsumerOptions, ConsumerOptions>? change = null) => TestHost.StartAsync(
        m =>
        {
            m.UseInMemory(_broker).AddObserver<Collecting>().AddConsumer<Ping>("q", static (_, _, _) => new(Outcome.Ack), change);
            m.Configure(options => options with
            {
                Application = name,
                HeartbeatInterval = TimeSpan.FromMilliseconds(300),
                ProcessTimeToLive = TimeSpan.FromSeconds(2),
            });
            register?.Invoke(m);
        },
        services => services.AddSingleton(seen));

    private sealed class Seen : ConcurrentQueue<MessagingEvent>;

    private sealed class Collecting(Seen seen) : IMessagingObserver
    {
        public ValueTask ObserveAsync(MessagingEvent happened, CancellationToken cancellationToken)
        {
            seen.Enqueue(happened);
            return default;
        }
    }
}
