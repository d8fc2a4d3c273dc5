using Microsoft.Extensions.DependencyInjection;

namespace Postrider.Testing.Tests.Harness;

/// <summary>One consumer without a queue.</summary>
public sealed class HandlingTests
{
    [Fact]
    public async Task A_consumer_runs_in_a_scope_of_its_own_behind_all_middlewares()
    {
        var log = new Log();
        await using var host = await MessagingTestHost.StartAsync(services =>
        {
            services.AddSingleton(log).AddScoped<object>();
            services.AddMessaging()
                .UseConsume(next => context =>
                {
                    log.Enqueue($"global {context.Queue} {context.Key}");
                    return next(context);
                })
                .AddConsumer<OrderPlaced>(
                    "direct",
                    static (order, context, _) =>
                    {
                        context.Services.GetRequiredService<Log>().Enqueue($"order {order.Id} {context.Services.GetRequiredService<object>().GetHashCode()}");
                        return new(Outcome.Ack);
                    },
                    options => options with
                    {
                        Middleware =
                        [
                            next => context =>
                            {
                                log.Enqueue("own");
                                return next(context);
                            },
                        ],
                    });
        });

        Assert.Equal(Outcome.Ack, await host.HandleAsync("direct", new OrderPlaced(1, 1), static envelope => envelope with { Key = "k" }));
        Assert.Equal(Outcome.Ack, await host.HandleAsync("direct", new OrderPlaced(1, 1), static envelope => envelope with { Key = "k" }));

        Assert.Equal(["global direct k", "own"], log.Take(2));
        Assert.Equal(2, log.Where(static line => line.StartsWith("order 1", StringComparison.Ordinal)).Distinct().Count());
        host.Handled<OrderPlaced>().Times(2);
    }

    [Fact]
    public async Task An_exception_is_what_the_retry_policy_makes_of_it()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);

        var first = await host.HandleAsync("billing", new OrderPlaced(1, 0));
        var last = await host.HandleAsync("billing", new OrderPlaced(1, 0), static envelope => envelope with { Attempt = 3 });
        var hopeless = await host.HandleAsync("billing", new OrderPlaced(1, -1));
        var refused = await host.HandleAsync("billing", new OrderPlaced(1, 1_000_000));

        Assert.Equal((OutcomeKind.Retry, TimeSpan.FromSeconds(1), "no total"), (first.Kind, first.Delay, first.Exception?.Message));
        Assert.Equal((OutcomeKind.DeadLetter, DeadLetterReason.Exhausted, "no total"), (last.Kind, last.Reason, last.Exception?.Message));
        Assert.Equal((OutcomeKind.DeadLetter, DeadLetterReason.NonRetryable), (hopeless.Kind, hopeless.Reason));
        Assert.Equal(Outcome.DeadLetter("too much"), refused);
        await host.SettleAsync();
        Assert.Equal(0, await host.DeadLetters.CountAsync("billing"));
    }

    [Fact]
    public async Task What_cannot_be_decoded_is_found_out()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);

        var malformed = await host.HandleAsync("stock", new OrderPlaced(1, 1), static envelope => envelope with { Body = new byte[] { 1, 2 } });
        var unknown = await host.HandleAsync("stock", new InvoiceRequested(1));

        Assert.Equal((DeadLetterReason.Malformed, DeadLetterReason.UnknownType), (malformed.Reason, unknown.Reason));
    }

    [Fact]
    public async Task What_the_consumer_publishes_is_seen_and_awaited()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);

        await host.HandleAsync("billing", new OrderPlaced(5, 1));
        await host.SettleAsync();

        host.Published<InvoiceRequested>(static invoice => invoice.OrderId == 5).Once();
        host.Handled<InvoiceRequested>().Once();
    }

    [Fact]
    public async Task A_queue_without_a_consumer_is_named()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);

        var error = await Assert.ThrowsAsync<MessagingConfigurationException>(() => host.HandleAsync("bilking", new OrderPlaced(1, 1)));

        Assert.Contains("'bilking'", error.Message, StringComparison.Ordinal);
        Assert.Contains("billing, stock, invoicing", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_can_be_cancelled()
    {
        using var cancellation = new CancellationTokenSource();
        await using var host = await MessagingTestHost.StartAsync(services => services.AddMessaging()
            .AddConsumer<OrderPlaced>("endless", async (_, _, cancellationToken) =>
            {
                await cancellation.CancelAsync();
                cancellationToken.ThrowIfCancellationRequested();
                return Outcome.Ack;
            }));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => host.HandleAsync("endless", new OrderPlaced(1, 1), cancellationToken: cancellation.Token));
        await host.SettleAsync();
    }

    [Fact]
    public async Task A_consumer_can_be_tested_by_itself_with_a_bus_and_a_context()
    {
        var bus = new FakeBus();
        var services = new ServiceCollection().AddSingleton(bus).BuildServiceProvider();
        var context = TestMessage.Context(
            new OrderPlaced(1, 1), static envelope => envelope with { Attempt = 3, Key = "k" }, queue: "billing", redeliveries: 2, services: services);

        var outcome = await new BillingConsumer(bus).ConsumeAsync(new(1, 1), context, CancellationToken.None);

        Assert.Equal(Outcome.Ack, outcome);
        Assert.Equal(("billing", 3, 2, "k", "orders.placed"), (context.Queue, context.Attempt, context.Redeliveries, context.Key, context.MessageType));
        Assert.Same(bus, context.Services.GetRequiredService<FakeBus>());
        bus.Published<InvoiceRequested>(static invoice => invoice.OrderId == 1).Once();
    }

    [Fact]
    public void A_context_has_what_the_bus_would_have_sent()
    {
        var context = TestMessage.Context(new OrderPlaced(1, 1));

        Assert.Equal(("orders.placed", "orders.placed", "application/json", 1, 0), (context.MessageType, context.Topic, context.ContentType, context.Attempt, context.Redeliveries));
        Assert.Equal("""{"id":1,"total":1}""", System.Text.Encoding.UTF8.GetString(context.Envelope.Body.Span));
        Assert.Null(context.Services.GetService(typeof(object)));
        Assert.Equal("text/plain; charset=utf-8", TestMessage.Envelope("text").ContentType);
    }
}
