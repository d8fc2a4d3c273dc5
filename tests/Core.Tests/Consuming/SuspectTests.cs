using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Consuming;

/// <summary>A message that ends its process takes no neighbour with it. The "process" is a host whose connection is cut without settling.</summary>
public sealed class SuspectTests
{
    private const int Poison = 13;
    private const int Messages = 100;
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(250);

    [Fact]
    public async Task Only_the_message_that_kills_processes_is_given_up()
    {
        var broker = new InMemoryBroker();
        var handled = new ConcurrentDictionary<int, int>();
        var crashed = new List<TestHost>();
        await using var undertaker = await TestHost.StartAsync(m => m.UseInMemory(broker));
        var transport = undertaker.Services.GetRequiredService<ITransport>();
        await transport.DeclareAsync(new(["suspects"], [new("tests.ping", "suspects")]), CancellationToken.None);
        await using var dead = await transport.OpenReceiverAsync(new() { Queue = "suspects.dlq" }, CancellationToken.None);
        for (var i = 0; i < Messages; i++)
        {
            await undertaker.Bus.PublishAsync(new Ping(i));
        }

        var letters = dead.ReceiveAsync(Messages, CancellationToken.None).AsTask();
        while (!letters.IsCompleted || handled.Count < Messages - 1)
        {
            Assert.InRange(crashed.Count, 0, 40);
            crashed.Add(await CrashingHostAsync(broker, handled, letters));
        }

        var letter = Assert.Single(await letters);
        Assert.Equal(DeadLetterReason.RedeliveredTooOften, letter.Envelope.DeadLetter?.Reason);
        Assert.Equal("""{"number":13,"text":""}""", Encoding.UTF8.GetString(letter.Envelope.Body.Span));
        Assert.Equal(Enumerable.Range(0, Messages).Except([Poison]), handled.Keys.Order());
        foreach (var host in crashed)
        {
            await host.DisposeAsync();
        }
    }

    /// <summary>As after a broker was restarted twice. To hand all of them back before each one that runs would be half of the square.</summary>
    [Fact]
    public async Task Many_suspects_are_not_handed_back_again_and_again()
    {
        var broker = new InMemoryBroker();
        await using var transport = new InMemoryTransport(broker);
        await transport.DeclareAsync(new(["flock"], []), CancellationToken.None);
        await using var publisher = await TestHost.StartAsync(m => m.UseInMemory(broker));
        for (var i = 0; i < Messages; i++)
        {
            await publisher.Bus.SendAsync("flock", new Ping(i));
        }

        for (var crash = 0; crash < 2; crash++)
        {
            await using var receiver = await transport.OpenReceiverAsync(new() { Queue = "flock", Prefetch = Messages, Lease = Short }, CancellationToken.None);
            var taken = 0;
            while (taken < Messages)
            {
                taken += (await receiver.ReceiveAsync(Messages, CancellationToken.None)).Count;
            }
        }

        await Task.Delay(Short, TimeProvider.System, TestContext.Current.CancellationToken);
        var handled = new ConcurrentDictionary<int, int>();
        var counting = new CountsReleases(transport);
        await using var host = await TestHost.StartAsync(m => m.UseTransport("counting", _ => counting).AddConsumer<Ping>(
            "flock",
            (message, _, _) =>
            {
                handled.AddOrUpdate(message.Number, 1, (_, before) => before + 1);
                return new(Outcome.Ack);
            },
            o => o with { Concurrency = 16 }));

        await Eventually.IsAsync(() => handled.Count == Messages);
        Assert.All(handled.Values, static times => Assert.Equal(1, times));
        Assert.InRange(counting.Releases, 1, Messages * 2);
    }

    /// <summary>Runs until the poison begins, then cuts the connection; or, when the poison is dead, until all others are handled.</summary>
    private static async Task<TestHost> CrashingHostAsync(
        InMemoryBroker broker, ConcurrentDictionary<int, int> handled, Task poisonDead)
    {
        var poisoned = new TaskCompletionSource();
        var host = await TestHost.StartAsync(m => m
            .UseInMemory(broker)
            .Configure(o => o with { DrainTimeout = TimeSpan.Zero })
            .AddConsumer<Ping>(
                "suspects",
                async (message, _, token) =>
                {
                    if (message.Number == Poison)
                    {
                        poisoned.TrySetResult();
                        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token);
                    }

                    // Long enough for the poison to take its neighbours with it, if it can.
                    await Task.Delay(TimeSpan.FromMilliseconds(30), TimeProvider.System, token);
                    if (!poisoned.Task.IsCompleted)
                    {
                        handled.AddOrUpdate(message.Number, 1, (_, before) => before + 1);
                    }

                    return Outcome.Ack;
                },
                o => o with { Concurrency = 16, Lease = TimeSpan.FromMilliseconds(250), MaxRedeliveries = 4 }));
        await Eventually.IsAsync(() => poisoned.Task.IsCompleted || (poisonDead.IsCompleted && handled.Count == Messages - 1));
        await host.Services.GetRequiredService<ITransport>().DisposeAsync();
        return host;
    }

    /// <summary>Counts what is handed back.</summary>
    private sealed class CountsReleases(ITransport inner) : ITransport
    {
        private int _releases;

        public int Releases => Volatile.Read(ref _releases);

        public TransportCapabilities Capabilities => inner.Capabilities;

        public ValueTask DeclareAsync(Topology topology, CancellationToken cancellationToken) => inner.DeclareAsync(topology, cancellationToken);

        public ValueTask PublishAsync(ReadOnlyMemory<OutgoingMessage> batch, Memory<PublishResult> results, CancellationToken cancellationToken) =>
            inner.PublishAsync(batch, results, cancellationToken);

        public async ValueTask<IReceiver> OpenReceiverAsync(ReceiverOptions options, CancellationToken cancellationToken) =>
            new Receiver(await inner.OpenReceiverAsync(options, cancellationToken), this);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private sealed class Receiver(IReceiver inner, CountsReleases owner) : IReceiver
        {
            public ValueTask<IReadOnlyList<Delivery>> ReceiveAsync(int max, CancellationToken cancellationToken) => inner.ReceiveAsync(max, cancellationToken);

            public ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken)
            {
                foreach (var settlement in batch.Span)
                {
                    Interlocked.Add(ref owner._releases, settlement.Kind == SettlementKind.Release ? 1 : 0);
                }

                return inner.SettleAsync(batch, results, cancellationToken);
            }

            public ValueTask StopAsync(CancellationToken cancellationToken) => inner.StopAsync(cancellationToken);

            public ValueTask DisposeAsync() => inner.DisposeAsync();
        }
    }
}
