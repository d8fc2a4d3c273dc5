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
}
