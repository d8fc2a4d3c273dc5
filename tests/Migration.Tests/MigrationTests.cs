namespace Postrider.Migration.Tests;

/// <summary>An application moves from broker to broker while it runs: docs/migration.md, step by step.</summary>
public sealed class MigrationTests(ITestOutputHelper output)
{
    /// <summary>How many messages go by before the next step.</summary>
    private const int Some = 1500;

    [Fact]
    public async Task From_RabbitMQ_to_NATS_to_PGMQ_under_load_with_nothing_lost()
    {
        Servers.Require();
        var run = $"move-{Guid.NewGuid():n}"[..16];
        var ledger = new Ledger();
        var shop = await Shop.StartAsync(run, ledger, ("Transport", "rabbit"));
        await PassAsync(ledger, Some);
        foreach (var (old, next) in new[] { ("rabbit", "events"), ("events", "database") })
        {
            // A second process runs with the new configuration while the first one goes on with the old one, as in a rolling deployment.
            var successor = await Shop.StartAsync(run, ledger, ("Transport", next), ("DrainFrom", old));
            await PassAsync(ledger, Some);
            Assert.NotEqual(true, successor.Status.Transports[old].Drain?.IsDrained);
            await shop.DisposeAsync();
            shop = successor;
            await IsAsync(() => shop.Status.Transports[old].Drain is { IsDrained: true });

            var drain = shop.Status.Transports[old].Drain!;
            output.WriteLine($"{old}: {drain}");
            Assert.Equal(0, drain.Messages);
            Assert.Equal(drain.DeadLetters, await shop.DeadLetters.CountAsync($"{run}-orders@{old}", Servers.Deadline));
            Assert.Equal(drain.DeadLetters, await shop.DeadLetters.ReplayAllAsync($"{run}-orders@{old}", null, new() { Queue = $"{run}-orders" }, cancellationToken: Servers.Deadline));
        }

        // The drained transport is taken out of the configuration.
        var last = await Shop.StartAsync(run, ledger, ("Transport", "database"));
        await shop.DisposeAsync();
        await last.StopPublishingAsync();
        await IsAsync(() => ledger.Published.Keys.All(number => number % 500 == 0 ? ledger.DeadLettered.ContainsKey(number) : ledger.Handled.ContainsKey(number)));
        await IsAsync(async () => await last.DeadLetters.CountAsync($"{run}-orders", Servers.Deadline) >= ledger.DeadLettered.Count);
        await last.DisposeAsync();

        output.WriteLine($"{ledger.Published.Count} published, {ledger.Handled.Count} handled, {ledger.Handled.Values.Count(static times => times > 1)} of them twice");
        Assert.True(ledger.Published.Count > 4 * Some);
    }

    private static Task PassAsync(Ledger ledger, int count)
    {
        var before = ledger.Published.Count;
        return IsAsync(() => ledger.Published.Count >= before + count);
    }

    private static Task IsAsync(Func<bool> condition) => IsAsync(() => Task.FromResult(condition()));

    private static async Task IsAsync(Func<Task<bool>> condition)
    {
        var deadline = Servers.Deadline;
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await condition())
        {
            await look.WaitForNextTickAsync(deadline);
        }
    }
}
