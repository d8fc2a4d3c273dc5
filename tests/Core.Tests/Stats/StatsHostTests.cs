using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.Stats;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Stats;

/// <summary>What a host counts of what really happens in it.</summary>
public sealed class StatsHostTests
{
    private static readonly RetryPolicy Twice = RetryPolicy.Immediate with { MaxAttempts = 2 };

    [Fact]
    public async Task Every_outcome_is_counted_with_its_consumer()
    {
        await using var host = await TestHost.StartAsync(messaging => messaging
            .AddConsumer<Ping>("orders", (ping, _, _) => ping.Text switch
            {
                "dead" => new(Outcome.DeadLetter("no")),
                "again" => new(Outcome.Retry(TimeSpan.Zero)),
                "throw" => throw new InvalidOperationException("out of stock"),
                _ => new(Outcome.Ack),
            }, options => options with { Retry = Twice })
            .AddConsumer<Pong>("orders", static (_, _, _) => new(Outcome.Ack), options => options with { Retry = Twice }));

        foreach (var text in (string[])["", "", "dead", "again", "throw", "throw", "throw"])
        {
            await host.Bus.PublishAsync(new Ping(1, text));
        }

        await host.Bus.PublishAsync(new Pong(1));
        await Eventually.IsAsync(() => Stats(host).GetOwn().Handled.Counts is { Handled: 12, InFlight: 0 });

        var own = Stats(host).GetOwn();
        Assert.Equal(
            new() { Acked = 2, DeadLetteredByChoice = 2, RetriedByChoice = 1, RetriedByException = 3, DeadLetteredByException = 3, Failed = 6 },
            own.ByConsumer()["orders:tests.ping"].Counts);
        Assert.Equal(new() { Acked = 1 }, own.ByConsumer()["orders:tests.pong"].Counts);
        Assert.Equal(11, own.ByType()["tests.ping"].Counts.Handled);
        Assert.Equal(12, own.ByQueue()["orders"].Counts.Handled);
        Assert.Equal((12, 8), (own.ByQueue()["orders"].Handling.Count, own.ByQueue()["orders"].Waiting.Count));
        Assert.Equal([("tests.ping", 7), ("tests.pong", 1)], own.Publishing.Select(static one => (one.Type, one.Stored)));
        Assert.Equal(11, own.Slowest.Length);
        Assert.All(own.Slowest, static run => Assert.Equal("orders", run.Queue));
        Assert.Equal(own.Slowest.OrderByDescending(static run => run.Duration), own.Slowest);
    }

    [Fact]
    public async Task A_consumer_with_former_names_counts_as_one_type()
    {
        await using var host = await TestHost.StartAsync(messaging => messaging.AddConsumer<Renamed>("orders", static (_, _, _) => new(Outcome.Ack)));

        await SendAsync(host, "orders", "tests.renamed", "{}");
        await SendAsync(host, "orders", "tests.former", "{}");
        await Eventually.IsAsync(() => Stats(host).GetOwn().Handled.Counts.Acked == 2);

        Assert.Equal(2, Assert.Single(Stats(host).GetOwn().ByType()).Value.Counts.Acked);
    }

    [Fact]
    public async Task Names_from_outside_count_as_one()
    {
        await using var host = await TestHost.StartAsync(messaging => messaging
            .AddConsumer<Ping>("orders", static (_, _, _) => new(Outcome.Ack))
            .AddConsumer<string>("texts", static (_, _, _) => new(Outcome.Ack)));

        for (var i = 0; i < 50; i++)
        {
            await SendAsync(host, "orders", $"evil.{i}", "{}");
            await host.Bus.SendAsync("texts", "x", new() { MessageType = $"evil.{i}" });
        }

        await SendAsync(host, "orders", "tests.ping", "no json");
        await Eventually.IsAsync(() => Stats(host).GetOwn().Handled.Counts.Handled == 101);

        var own = Stats(host).GetOwn();
        Assert.Equal(4, own.Handling.Length);
        Assert.Equal(50, own.Handling.Single(static one => one is { Queue: "orders", Consumer: null }).Counts.Undeliverable);
        Assert.Equal(50, own.Handling.Single(static one => one is { Queue: "texts", Consumer: not null, Type: null }).Counts.Acked);
        Assert.Equal(new() { DeadLetteredByException = 1, Failed = 1 }, own.ByConsumer()["orders:tests.ping"].Counts);
        Assert.Equal((null, 50), (Assert.Single(own.Publishing).Type, own.Published.Stored));
    }

    [Fact]
    public async Task What_expired_and_what_was_handed_out_too_often_counts_with_its_consumer_though_that_did_not_run()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddDays(20_000));
        await using var host = await TestHost.StartAsync(
            static messaging => messaging.AddConsumer<Ping>("orders", static (_, _, _) => new(Outcome.Ack), static options => options with { OnExpired = ExpiredMessage.Discard }),
            services => services.AddSingleton<TimeProvider>(time));

        var past = new Envelope { Id = "late", Type = "tests.ping", Body = "{}"u8.ToArray(), ExpiresAt = time.GetUtcNow().AddSeconds(-1) };
        await SendAsync(host, "orders", past);
        await Eventually.IsAsync(() => Stats(host).GetOwn().Handled.Counts.Handled == 1);

        Assert.Equal(new() { Expired = 1 }, Stats(host).GetOwn().ByConsumer()["orders:tests.ping"].Counts);
    }

    [Fact]
    public async Task What_runs_is_in_flight_and_what_the_stop_cuts_off_is_counted()
    {
        var started = new TaskCompletionSource();
        var host = await TestHost.StartAsync(messaging => messaging
            .Configure(static options => options with { DrainTimeout = TimeSpan.Zero })
            .AddConsumer<Ping>("orders", async (_, _, cancellationToken) =>
            {
                started.SetResult();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
                return Outcome.Ack;
            }));
        await using (host)
        {
            await host.Bus.PublishAsync(new Ping(1));
            await started.Task;
            Assert.Equal(new() { InFlight = 1 }, Stats(host).GetOwn().Handled.Counts);

            await host.StopAsync();
            Assert.Equal(new() { CutOff = 1 }, Stats(host).GetOwn().Handled.Counts);
        }
    }

    [Fact]
    public async Task Publishes_count_by_what_they_came_to()
    {
        await using var host = await TestHost.StartAsync(static messaging => messaging.AddConsumer<Pong>("orders", static (_, _, _) => new(Outcome.Ack)));
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await host.Bus.PublishAsync(new Ping(1));
        await host.Bus.PublishAsync(new Pong(1), new() { MessageId = "same" });
        await host.Bus.PublishAsync(new Pong(1), new() { MessageId = "same" });
        await Assert.ThrowsAsync<PublishException>(() => host.Bus.SendAsync("nowhere", new Ping(1)).AsTask());
        await Assert.ThrowsAsync<PublishException>(() => host.Bus.SendAsync("*", new Ping(1)).AsTask());
        await Assert.ThrowsAsync<PublishException>(() => host.Bus.PublishAsync(new Ping(1, new('x', 2_000_000))).AsTask());
        using (host.Services.GetRequiredService<PublishingSwitch>().Suppress())
        {
            await host.Bus.PublishAsync(new Ping(1));
        }

        var published = Stats(host).GetOwn().Publishing;
        Assert.Equal(new() { Type = "tests.ping", Unroutable = 2, Failed = 2, Suppressed = 1 }, published.Single(static one => one.Type == "tests.ping"));
        Assert.Equal(new() { Type = "tests.pong", Stored = 1, Duplicate = 1 }, published.Single(static one => one.Type == "tests.pong"));
    }

    [Fact]
    public async Task Rates_and_times_roll_by_themselves()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddDays(20_000));
        await using var host = await TestHost.StartAsync(
            static messaging => messaging.AddConsumer<Ping>("orders", static (_, _, _) => new(Outcome.Ack)), services => services.AddSingleton<TimeProvider>(time));
        for (var i = 0; i < 50; i++)
        {
            await host.Bus.PublishAsync(new Ping(i));
        }

        await Eventually.IsAsync(() => Stats(host).GetOwn().Handled.Counts.Acked == 50);
        await Eventually.IsAsync(() =>
        {
            time.Advance(RollingCounts.Tick);
            return Stats(host).GetOwn() is { Handled.HandledRate.FiveMinutes: > 0, Published.StoredRate.FiveMinutes: > 0, Handled.HandledRate.Now: 0, Published.StoredRate.Now: 0 };
        });

        // The clock goes faster than the loop, which ticks once for each time that it finds one due.
        Assert.Equal(50, Stats(host).GetOwn().Handled.Handling.Count);
        await Eventually.IsAsync(() =>
        {
            time.Advance(TimeSpan.FromMinutes(1));
            return Stats(host).GetOwn() is { Handled: { Handling.Count: 0, Waiting.Count: 0, Counts.Acked: 50 } };
        });
    }

    private static IMessagingStats Stats(TestHost host) => host.Services.GetRequiredService<IMessagingStats>();

    private static ValueTask SendAsync(TestHost host, string queue, string type, string body) =>
        SendAsync(host, queue, new Envelope { Id = Guid.NewGuid().ToString(), Type = type, ContentType = "application/json", Body = System.Text.Encoding.UTF8.GetBytes(body) });

    private static async ValueTask SendAsync(TestHost host, string queue, Envelope envelope)
    {
        var results = new PublishResult[1];
        await host.Services.GetRequiredService<ITransport>().PublishAsync(
            (OutgoingMessage[])[new(Destination.Queue(queue), envelope, TimeSpan.Zero)], results, CancellationToken.None);
        Assert.Equal(PublishStatus.Stored, results[0].Status);
    }

    [Message("tests.renamed", Aliases = ["tests.former"])]
    private sealed record Renamed;
}
