using Microsoft.Extensions.DependencyInjection;

namespace Postrider.Testing.Tests.Harness;

public sealed class ChaosTests
{
    private const int Orders = 60;

    [Fact]
    public async Task The_next_publishes_of_a_type_fail()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);
        host.Chaos.FailNextPublishes<InvoiceRequested>(2);

        await host.PublishAndSettleAsync(new OrderPlaced(1, 1));

        var retries = host.Retried<OrderPlaced>().Times(2);
        Assert.All(retries, static one => Assert.Equal(PublishStatus.NotSent, Assert.IsType<PublishException>(one.Exception).Status));
        host.Published<InvoiceRequested>().Once();
        host.Handled<InvoiceRequested>().Once();
    }

    [Fact]
    public async Task The_next_handlings_of_a_type_fail_from_what_is_wanted()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);
        host.Chaos.FailNextHandlings<OrderPlaced>();
        await host.SendAndSettleAsync("billing", new OrderPlaced(1, 1));
        host.Chaos.FailNextHandlings<OrderPlaced>(1, new NotSupportedException("not now"));
        await host.SendAndSettleAsync("billing", new OrderPlaced(2, 1));

        Assert.IsType<ChaosException>(host.Retried<OrderPlaced>(static order => order.Id == 1).Once().Exception);
        host.Handled<OrderPlaced>(static order => order.Id == 1).Once();
        Assert.Equal(DeadLetterReason.NonRetryable, host.DeadLettered<OrderPlaced>(static order => order.Id == 2).Once().DeadLetter?.Reason);
    }

    [Fact]
    public void Text_has_no_type_that_could_fail()
    {
        Assert.Throws<MessagingConfigurationException>(() => new ServiceCollection().AddMessaging().Services.AddMessagingTestHost()
            .BuildServiceProvider().GetRequiredService<MessagingTestHost>().Chaos.FailNextHandlings<string>());
    }

    [Fact]
    public async Task The_same_seed_strikes_the_same_messages_and_another_one_others()
    {
        var options = new ChaosOptions { Seed = 42, Duplicates = 0.3, Reorders = 0.2, Delays = 0.2, DroppedAcks = 0.2 };
        var first = await RunAsync(options);

        Assert.Equal(first, await RunAsync(options));
        Assert.NotEqual(first, await RunAsync(options with { Seed = 43 }));
    }

    [Fact]
    public async Task Duplicates_are_handled_twice_and_nothing_is_lost()
    {
        await using var host = await StartAsync(new() { Duplicates = 1 });
        await host.PublishAndSettleAsync(new OrderPlaced(1, 1));

        host.Published<OrderPlaced>().Once();
        host.Handled<OrderPlaced>().Times(4);
        host.Handled<InvoiceRequested>().Times(4);
        Assert.Equal(0, host.Ledger.Check().Lost.Count);
        Assert.Equal(3, host.Ledger.Check().Duplicated.Count);
    }

    [Fact]
    public async Task A_dropped_ack_is_a_redelivery_and_too_many_are_a_dead_letter()
    {
        await using var host = await MessagingTestHost.StartAsync(
            static services => services.AddMessaging().AddConsumer<OrderPlaced>(
                "acked", static (_, _, _) => new(Outcome.Ack), static options => options with { MaxRedeliveries = 3 }),
            new() { Chaos = new() { DroppedAcks = 1 } });

        await host.PublishAndSettleAsync(new OrderPlaced(1, 1));

        Assert.Equal([0, 1, 2], host.Handled<OrderPlaced>().Times(3).Select(static one => one.Redeliveries));
        Assert.Equal(DeadLetterReason.RedeliveredTooOften, host.DeadLettered<OrderPlaced>().Once().DeadLetter?.Reason);
    }

    [Fact]
    public async Task Delays_and_reorders_take_virtual_time_and_change_the_order()
    {
        await using var host = await MessagingTestHost.StartAsync(
            static services => services.AddMessaging().AddConsumer<OrderPlaced>("ordered", static (_, _, _) => new(Outcome.Ack), static options => options with { Concurrency = 1 }),
            new() { Chaos = new() { Seed = 7, Reorders = 0.3 } });
        for (var i = 0; i < 20; i++)
        {
            await host.Bus.PublishAsync(new OrderPlaced(i, 1));
        }

        await host.SettleAsync();

        var order = host.Handled<OrderPlaced>().Times(20).Select(static one => one.Message.Id).ToList();
        Assert.NotEqual(order.Order(), order);
        Assert.Equal(TimeSpan.FromMilliseconds(10), host.Time.GetUtcNow() - host.Time.Start);
    }

    [Fact]
    public async Task A_failure_tells_the_seed_and_each_strike()
    {
        await using var host = await StartAsync(new() { Seed = 99, Duplicates = 1 });
        await host.PublishAndSettleAsync(new OrderPlaced(1, 1));

        var failure = Assert.Throws<MessagingTestException>(() => host.Published<OrderPlaced>().Never());

        Assert.Contains("Chaos has the seed 99.", failure.Message, StringComparison.Ordinal);
        Assert.Contains("chaos          #1 orders.placed duplicated", failure.Message, StringComparison.Ordinal);
        Assert.Equal(99, host.Chaos.Seed);
    }

    [Fact]
    public async Task Without_a_seed_there_is_another_one_each_time_and_wrong_shares_are_refused()
    {
        await using var one = await StartAsync(new());
        await using var other = await StartAsync(new());

        Assert.NotEqual(one.Chaos.Seed, other.Chaos.Seed);
        await Assert.ThrowsAsync<MessagingConfigurationException>(() => StartAsync(new() { Duplicates = 1.1 }));
        await Assert.ThrowsAsync<MessagingConfigurationException>(() => StartAsync(new() { Delays = 0.5, LongestDelay = TimeSpan.Zero }));
    }

    /// <summary>What happened to each order and invoice, without ids and times.</summary>
    private static async Task<IReadOnlyList<string>> RunAsync(ChaosOptions options)
    {
        await using var host = await StartAsync(options);
        for (var i = 0; i < Orders; i++)
        {
            await host.Bus.PublishAsync(new OrderPlaced(i, 1));
        }

        await host.SettleAsync();
        Assert.Equal(0, host.Ledger.Check().Lost.Count);
        return
        [
            .. host.Handled<OrderPlaced>().Select(static one => $"{one.Queue} order {one.Message.Id} {one.Redeliveries}").Order(),
            .. host.Handled<InvoiceRequested>().Select(static one => $"{one.Queue} invoice {one.Message.OrderId} {one.Redeliveries}").Order(),
        ];
    }

    private static Task<MessagingTestHost> StartAsync(ChaosOptions options) => MessagingTestHost.StartAsync(Shop.Register, new() { Chaos = options });
}
