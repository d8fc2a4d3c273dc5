using Microsoft.Extensions.DependencyInjection;

namespace Postrider.Testing.Tests.Harness;

public sealed class TimeTests
{
    [Fact]
    public async Task Retries_and_the_dead_letter_come_at_their_virtual_times()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);
        var start = host.Time.GetUtcNow();

        await host.PublishAndSettleAsync(new OrderPlaced(1, 0));

        Assert.Equal([1, 10], host.Retried<OrderPlaced>().Times(2).Select(static one => one.Delay.TotalSeconds));
        var dead = host.DeadLettered<OrderPlaced>().Once();
        Assert.Equal((3, DeadLetterReason.Exhausted, "no total"), (dead.Attempt, dead.DeadLetter?.Reason, dead.Exception?.Message));
        Assert.Equal("stock", host.Handled<OrderPlaced>().Once().Queue);
        Assert.Equal(TimeSpan.FromSeconds(11), host.Time.GetUtcNow() - start);
        Assert.Equal(1, await host.DeadLetters.CountAsync("billing"));
    }

    [Fact]
    public async Task Many_that_settle_at_once_move_the_clock_once()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);
        for (var i = 1; i <= 20; i++)
        {
            await host.Bus.PublishAsync(new OrderPlaced(i, 0));
            await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Task.Run(() => host.SettleAsync())));

            Assert.Equal(TimeSpan.FromSeconds(11 * i), host.Time.GetUtcNow() - host.Time.Start);
        }
    }

    [Fact]
    public async Task Advancing_goes_so_far_and_no_further()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);
        await host.Bus.SendAsync("stock", new OrderPlaced(1, 1), new() { Delay = TimeSpan.FromHours(1) });
        await host.Bus.SendAsync("billing", new OrderPlaced(2, 0));

        await host.AdvanceAsync(TimeSpan.FromMinutes(59));
        host.Handled<OrderPlaced>().Never();
        host.DeadLettered<OrderPlaced>(order => order.Id == 2).Once();
        await host.AdvanceAsync(TimeSpan.FromMinutes(1));

        host.Handled<OrderPlaced>(order => order.Id == 1).Once();
    }

    [Fact]
    public async Task Advancing_by_nothing_awaits_what_needs_no_time()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);
        await host.Bus.PublishAsync(new OrderPlaced(1, 0));

        await host.AdvanceAsync(TimeSpan.Zero);

        host.Retried<OrderPlaced>().Once();
        host.DeadLettered<OrderPlaced>().Never();
    }

    [Fact]
    public async Task Advancing_to_the_next_tells_how_far_that_was()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);
        await host.Bus.PublishAsync(new OrderPlaced(1, 0));

        Assert.Equal(TimeSpan.FromSeconds(1), await host.AdvanceToNextAsync());
        host.Retried<OrderPlaced>().Times(2);
        Assert.Equal(TimeSpan.FromSeconds(10), await host.AdvanceToNextAsync());
        host.DeadLettered<OrderPlaced>().Once();
        Assert.Null(await host.AdvanceToNextAsync());
    }

    [Fact]
    public async Task A_message_that_outlives_its_time_is_a_dead_letter()
    {
        await using var host = await MessagingTestHost.StartAsync(
            static services => services.AddMessaging().AddConsumer<OrderPlaced>("slow", static (order, _, _) => new(order.Id == 1 ? Outcome.Retry(TimeSpan.FromDays(3)) : Outcome.Ack)));

        await host.PublishAndSettleAsync(new OrderPlaced(1, 1), new() { TimeToLive = TimeSpan.FromDays(2) });

        Assert.Equal(DeadLetterReason.Expired, host.DeadLettered<OrderPlaced>().Once().DeadLetter?.Reason);
    }

    [Fact]
    public async Task A_handler_that_awaits_the_clock_keeps_its_delivery_however_far_it_is_moved()
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var host = await MessagingTestHost.StartAsync(services => services.AddMessaging()
            .AddConsumer<OrderPlaced>("patient", async (_, context, cancellationToken) =>
            {
                var waiting = Task.Delay(TimeSpan.FromDays(1), context.Services.GetRequiredService<TimeProvider>(), cancellationToken);
                started.SetResult();
                await waiting;
                return Outcome.Ack;
            }));

        var settling = host.PublishAndSettleAsync(new OrderPlaced(1, 1));
        await started.Task;
        host.Time.Advance(TimeSpan.FromDays(1));
        await settling;

        Assert.Equal((1, 0), (host.Handled<OrderPlaced>().Once().Attempt, host.Handled<OrderPlaced>().Once().Redeliveries));
        Assert.Contains("took 24 h", host.Timeline, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_clock_can_be_given()
    {
        var start = new DateTimeOffset(2030, 5, 1, 0, 0, 0, TimeSpan.Zero);
        await using var host = await MessagingTestHost.StartAsync(Shop.Register, new() { Time = new(start) });

        Assert.Equal(start, host.Services.GetRequiredService<TimeProvider>().GetUtcNow());
    }
}
