using Microsoft.Extensions.DependencyInjection;

namespace Postrider.Testing.Tests.Harness;

public sealed class CompletionTests
{
    [Fact]
    public async Task Everything_that_a_publish_causes_has_ended_when_it_returns()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);

        for (var i = 1; i <= 100; i++)
        {
            await host.PublishAndSettleAsync(new OrderPlaced(i, 12.5m));

            host.Published<OrderPlaced>(order => order.Id == i).Once();
            host.Handled<OrderPlaced>(order => order.Id == i).Times(2);
            host.Handled<InvoiceRequested>(invoice => invoice.OrderId == i).Once();
        }

        Assert.Equal(["billing", "stock"], host.Handled<OrderPlaced>(order => order.Id == 1).Select(static one => one.Queue).Order());
    }

    [Fact]
    public async Task What_many_publish_side_by_side_has_ended_when_each_returns()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);

        await Task.WhenAll(Enumerable.Range(0, 200).Select(i => Task.Run(async () =>
        {
            await host.PublishAndSettleAsync(new OrderPlaced(i, i % 3));
            host.Handled<OrderPlaced>(order => order.Id == i).Times(i % 3 == 0 ? 1 : 2);
            host.DeadLettered<OrderPlaced>(order => order.Id == i).Times(i % 3 == 0 ? 1 : 0);
        })));
    }

    [Fact]
    public async Task A_slow_handler_is_awaited()
    {
        var (started, release) = (NewSource(), NewSource());
        await using var host = await MessagingTestHost.StartAsync(services => services.AddMessaging()
            .AddConsumer<OrderPlaced>("slow", async (_, _, _) =>
            {
                started.SetResult();
                await release.Task;
                return Outcome.Ack;
            }));

        var settling = host.PublishAndSettleAsync(new OrderPlaced(1, 1));
        await started.Task;
        host.Handled<OrderPlaced>().Never();
        Assert.False(settling.IsCompleted);
        release.SetResult();
        await settling;

        host.Handled<OrderPlaced>().Once();
    }

    [Fact]
    public async Task Another_flow_is_not_awaited_but_by_settling_everything()
    {
        var (started, release) = (NewSource(), NewSource());
        await using var host = await MessagingTestHost.StartAsync(services => services.AddMessaging()
            .AddConsumer<OrderPlaced>("slow", async (order, _, _) =>
            {
                if (order.Id == 1)
                {
                    started.SetResult();
                    await release.Task;
                }

                return Outcome.Ack;
            }));
        await host.Bus.PublishAsync(new OrderPlaced(1, 1));
        await started.Task;

        await host.PublishAndSettleAsync(new OrderPlaced(2, 1));
        host.Handled<OrderPlaced>(order => order.Id == 2).Once();
        var all = host.SettleAsync();
        Assert.False(all.IsCompleted);
        release.SetResult();
        await all;

        host.Handled<OrderPlaced>().Times(2);
    }

    [Fact]
    public async Task What_OnFailed_publishes_is_awaited()
    {
        await using var host = await MessagingTestHost.StartAsync(services =>
        {
            Shop.Register(services);
            services.AddMessaging().AddConsumer<OrderPlaced>(
                "audit",
                static (_, _, _) => throw new InvalidOperationException("no audit"),
                static options => options with
                {
                    Retry = RetryPolicy.None,
                    OnFailed = static async (failed, cancellationToken) =>
                    {
                        await Task.Yield();
                        await failed.Services.GetRequiredService<IMessageBus>().PublishAsync(new InvoiceRequested(-1), null, cancellationToken);
                    },
                });
        });

        for (var i = 1; i <= 50; i++)
        {
            await host.PublishAndSettleAsync(new OrderPlaced(i, 1));
            host.Handled<InvoiceRequested>(invoice => invoice.OrderId == -1).Times(i);
        }
    }

    [Fact]
    public async Task What_is_sent_to_a_queue_is_awaited_too()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);

        var receipt = await host.SendAndSettleAsync("stock", new OrderPlaced(1, 1), new() { MessageId = "one" });

        Assert.Equal(new("one", PublishStatus.Stored), receipt);
        Assert.Equal(("stock", "one"), (host.Handled<OrderPlaced>().Once().Queue, host.Handled<OrderPlaced>().Once().Envelope.Id));
    }

    [Fact]
    public async Task A_replayed_dead_letter_is_followed()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);
        await host.PublishAndSettleAsync(new OrderPlaced(1, -1));

        var letter = await FirstAsync(host.DeadLetters.ListAsync("billing"));
        await host.DeadLetters.ReplayAsync(letter);
        await host.SettleAsync();

        host.DeadLettered<OrderPlaced>().Times(2);
    }

    [Fact]
    public async Task A_topic_without_a_queue_causes_nothing()
    {
        await using var host = await MessagingTestHost.StartAsync(static services => services.AddMessaging());

        await host.PublishAndSettleAsync(new OrderPlaced(1, 1));

        Assert.Equal(PublishStatus.Unroutable, host.Published<OrderPlaced>().Once().Status);
    }

    [Fact]
    public async Task A_handler_that_does_not_end_fails_the_test_with_the_timeline_and_is_cancelled_at_the_end()
    {
        var cancelled = NewSource();
        await using (var host = await MessagingTestHost.StartAsync(
            services => services.AddMessaging().AddConsumer<OrderPlaced>("stuck", async (_, _, cancellationToken) =>
            {
                try
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
                }
                finally
                {
                    cancelled.SetResult();
                }

                return Outcome.Ack;
            }),
            new() { Patience = TimeSpan.FromMilliseconds(100) }))
        {
            var failure = await Assert.ThrowsAsync<MessagingTestException>(() => host.PublishAndSettleAsync(new OrderPlaced(1, 1)));

            Assert.Contains("in hand", failure.Message, StringComparison.Ordinal);
            Assert.Contains("in 'stuck', attempt 1", failure.Message, StringComparison.Ordinal);
        }

        await cancelled.Task;
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static async Task<T> FirstAsync<T>(IAsyncEnumerable<T> all)
    {
        await foreach (var one in all)
        {
            return one;
        }

        throw new InvalidOperationException("There is none.");
    }
}
