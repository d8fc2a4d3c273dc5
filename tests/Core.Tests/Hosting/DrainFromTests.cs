using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Hosting;

/// <summary>A host that moves from one transport to another consumes from both, publishes to the new one, and tells when the old one is empty.</summary>
public sealed class DrainFromTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly InMemoryBroker _old;
    private readonly InMemoryBroker _new;
    private readonly ConcurrentQueue<int> _seen = new();

    public DrainFromTests() => (_old, _new) = (new(_time), new(_time));

    [Fact]
    public async Task It_is_drained_when_nothing_is_left_ready_delayed_or_to_be_tried_again_and_its_dead_letters_are_told()
    {
        await using (var before = Host(("Transport", "old")))
        {
            await before.StartAsync();
            await before.Bus.PublishAsync(new Ping(1), new() { RequireSubscribers = true });
            await before.Bus.PublishAsync(new Ping(2), new() { Delay = TimeSpan.FromDays(1), RequireSubscribers = true });
            await before.Bus.PublishAsync(new Ping(-1), new() { RequireSubscribers = true });
            await Eventually.IsAsync(async () => _seen.Contains(1) && await before.Services.GetRequiredService<IDeadLetters>().CountAsync("ping") == 1);
        }

        await using var host = Host(("Transport", "new"), ("DrainFrom", "old"));
        await host.StartAsync();
        var old = host.Status.Transports["old"];
        await host.Bus.PublishAsync(new Ping(3), new() { RequireSubscribers = true });
        await host.Bus.SendAsync("ping", new Ping(4));
        await Eventually.IsAsync(() => _seen.Contains(3) && _seen.Contains(4));
        await TimePassesUntilAsync(() => old.Drain is { Messages: 1, DeadLetters: 1, IsDrained: false });
        Assert.Null(host.Status.Transports["new"].Drain);
        Assert.Equal("1 messages left, 1 dead letters", old.Drain!.ToString());

        await TimePassesUntilAsync(() => _seen.Contains(2), TimeSpan.FromHours(1));
        await TimePassesUntilAsync(() => old.Drain is { Messages: 0, DeadLetters: 1, IsDrained: true });
        Assert.Equal("drained, 1 dead letters", old.Drain!.ToString());

        // Somebody still publishes with the old configuration: it is handled, and told.
        var late = new InMemoryTransport(_old);
        await late.PublishAsync(
            new[] { new OutgoingMessage(Destination.Queue("ping"), new() { Id = "late", Type = "tests.ping", Body = "{\"number\":5}"u8.ToArray() }, TimeSpan.FromDays(1)) },
            new PublishResult[1], default);
        await TimePassesUntilAsync(() => old.Drain is { IsDrained: false });
        await TimePassesUntilAsync(() => _seen.Contains(5) && old.Drain is { IsDrained: true }, TimeSpan.FromHours(1));

        // Dead letters of the old one are moved to the new one by naming their queue.
        var letters = host.Services.GetRequiredService<IDeadLetters>();
        Assert.Equal(["ping", "ping@old"], letters.Queues);
        Assert.Equal(1, await letters.ReplayAllAsync("ping@old", null, new() { Queue = "ping" }));
        await Eventually.IsAsync(async () => await letters.CountAsync("ping") == 1);
        Assert.Equal(0, await letters.CountAsync("ping@old"));
    }

    [Fact]
    public async Task A_queue_of_its_own_is_not_drained()
    {
        await using var host = TestHost.Configured(
            m => Transports(m).AddConsumer<Ping>("moved", Note, static o => o with { Transport = "new" }).AddConsumer<Pong>("stays", static (_, _, _) => new(Outcome.Ack)),
            ("Transport", "old"), ("DrainFrom", "old"));
        await host.StartAsync();
        await host.Bus.SendAsync("stays", new Pong(1), new() { Delay = TimeSpan.FromHours(1) });

        await TimePassesUntilAsync(() => host.Status.Transports["old"].Drain is { IsDrained: true });
        Assert.Equal(["stays", "moved", "moved@old"], host.Services.GetRequiredService<IDeadLetters>().Queues.OrderBy(static one => one.Length));
    }

    [Fact]
    public async Task Nothing_to_drain_is_an_error()
    {
        await using var host = Host(("Transport", "old"), ("DrainFrom", "old"));
        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync);
        Assert.Contains("no queue of this host is on another transport", e.Message, StringComparison.Ordinal);
    }

    private Task TimePassesUntilAsync(Func<bool> condition, TimeSpan? step = null) => Eventually.IsAsync(() =>
    {
        _time.Advance(step ?? TimeSpan.FromSeconds(1));
        return condition();
    });

    private TestHost Host(params (string, string)[] settings) => TestHost.Configured(m => Transports(m).AddConsumer<Ping>("ping", Note), settings);

    private MessagingBuilder Transports(MessagingBuilder messaging)
    {
        messaging.Services.AddSingleton<TimeProvider>(_time);
        return messaging.AddTransport("old", _ => new InMemoryTransport(_old)).AddTransport("new", _ => new InMemoryTransport(_new));
    }

    private ValueTask<Outcome> Note(Ping ping, ConsumeContext context, CancellationToken cancellationToken)
    {
        _seen.Enqueue(ping.Number);
        return new(ping.Number < 0 ? Outcome.DeadLetter("negative") : Outcome.Ack);
    }
}
