using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Consuming;

/// <summary>Whoever is told of dead letters slowly holds the queue up, and not the memory.</summary>
public sealed class OnFailedTests
{
    [Fact]
    public async Task No_more_callbacks_run_than_the_window_has_places_and_each_is_called_once()
    {
        const int Messages = 3000;
        var (told, gate) = (0, new TaskCompletionSource());
        await using var host = await TestHost.StartAsync(messaging => messaging.AddConsumer<Ping>(
            "q",
            static (_, _, _) => new(Outcome.DeadLetter("no")),
            options => options with
            {
                OnFailed = async (_, _) =>
                {
                    Interlocked.Increment(ref told);
                    await gate.Task;
                },
            }));
        var letters = host.Services.GetRequiredService<IDeadLetters>();

        await host.Bus.SendBatchAsync("q", Enumerable.Range(0, Messages).Select(static i => new Ping(i)));
        // All places are taken, so nothing moves any more.
        var before = -1L;
        await Eventually.IsAsync(async () =>
        {
            var now = await letters.CountAsync("q");
            (var same, before) = (now == before && now > 0 && now == Volatile.Read(ref told), now);
            return same;
        });
        Assert.InRange(Volatile.Read(ref told), 32, 512);
        gate.SetResult();

        await Eventually.IsAsync(() => Volatile.Read(ref told) == Messages);
        await host.StopAsync();
        Assert.Equal((Messages, Messages), (told, (int)await letters.CountAsync("q")));
    }
}
