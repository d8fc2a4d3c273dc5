using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Hosting;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Hosting;

/// <summary>Which queue is in which pool, by code and configuration, and what is refused.</summary>
public sealed class PoolPlanTests
{
    [Theory]
    [InlineData("critical.5: a b1 | default.10: b2 c", "Pools", "critical: 5; default: 10", "Queues:a:Pool", "critical", "Queues:b1:Pool", "Critical")]
    [InlineData("default.16: a b1 b2 c", "Pools:default:Strict", "true")]
    [InlineData("default.3: a c | x.2: b1 b2", "Pools:x:Concurrency", "2", "Pools:x:Queues", "b*", "Pools:default:Concurrency", "3")]
    [InlineData("x.16: b2 b1 c", "Pools:x:Strict", "true", "Pools:x:Queues:0", "b2", "Pools:x:Queues:1", "b1", "Pools:x:Queues:2", "c")]
    [InlineData("x.16: a b1 b2 c", "Pools:x:Queues", "*")]
    public async Task Its_queues_are_told(string expected, params string[] settings)
    {
        await using var host = Configured(static m => m, settings);

        Assert.Equal(expected, Plan(host));
    }

    [Fact]
    public async Task The_configuration_wins_over_the_code()
    {
        await using var host = Configured(
            static m => m.AddPool("x", static p => p with { Concurrency = 7, Queues = ["a"] }).AddPool("y", static p => p with { Concurrency = 8, Queues = ["c"] }),
            "Pools:x:Queues", "b1, b2", "Pools:y:Concurrency", "9");

        Assert.Equal("x.7: b1 b2 | y.9: c", Plan(host));
    }

    [Theory]
    [InlineData("'one' and 'two'", "Pools:one:Queues", "b*", "Pools:two:Queues", "a,b2")]
    [InlineData("'one' and 'two'", "Pools:one:Queues", "c", "Pools:two:Queues", "*")]
    [InlineData("'one' and 'two'", "Pools", "one: 1", "Queues:a:Pool", "one", "Pools:two:Queues", "a")]
    [InlineData("'critical'?", "Pools", "critical: 5", "Queues:a:Pool", "critcal")]
    [InlineData("'b1'?", "Pools:x:Queues", "b11")]
    [InlineData("from 1 to 10000", "Pools", "x: 0")]
    [InlineData("'x 5' is not as in", "Pools", "x 5")]
    [InlineData("'Strict'?", "Pools:x:Strct", "true")]
    [InlineData("RunPools names 'ciritcal', which is no pool. Did you mean 'critical'?", "Pools", "critical: 5", "RunPools", "critical,ciritcal")]
    public async Task What_does_not_fit_is_refused(string why, params string[] settings)
    {
        await using var host = Configured(static m => m, settings);

        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync);

        Assert.Contains(why, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Consumers_that_share_a_queue_are_in_one_pool()
    {
        await using var host = TestHost.Create(static m => m
            .AddPool("x").AddPool("y")
            .AddConsumer<Ping>("a", static (_, _, _) => new(Outcome.Ack), static o => o with { Pool = "x" })
            .AddConsumer<Pong>("a", static (_, _, _) => new(Outcome.Ack), static o => o with { Pool = "y" }));

        Assert.Contains("Pool", (await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a", "RunPools", "x")]
    [InlineData("a c", "RunPools", "x, y")]
    [InlineData("a b1 b2 c", "PublishTimeout", "00:00:05")]
    public async Task The_pools_to_run_are_chosen(string run, string key, string value)
    {
        await using var host = Configured(static m => m.AddPool("x", static p => p with { Queues = ["a"] }).AddPool("y", static p => p with { Queues = ["c"] }), key, value);

        var named = host.Services.GetRequiredService<TransportSet>().Default;

        Assert.Equal(run, string.Join(' ', named.Consumed.Select(static one => one.Name)));
        Assert.Equal(["a", "b1", "b2", "c"], named.Topology.Queues);
    }

    private static TestHost Configured(Func<MessagingBuilder, MessagingBuilder> more, params string[] settings) => TestHost.Configured(
        m =>
        {
            foreach (var queue in (string[])["a", "b1", "b2", "c"])
            {
                m.AddConsumer<Ping>(queue, static (_, _, _) => new(Outcome.Ack));
            }

            more(m);
        },
        [("Transport", "inmemory"), .. settings.Chunk(2).Select(static pair => (pair[0], pair[1]))]);

    private static string Plan(TestHost host) => string.Join(" | ", host.Services.GetRequiredService<TransportSet>().Default.Queues
        .Where(static queue => queue.Pool is not null)
        .GroupBy(static queue => queue.Pool!.Pool)
        .Select(static pool => $"{pool.Key.Name}.{pool.Key.Status.Concurrency}: {string.Join(' ', pool.OrderBy(static queue => queue.Pool!.Rank).Select(static queue => queue.Name))}"));
}
