using System.Text.RegularExpressions;

namespace Postrider.Testing.Tests.Harness;

public sealed partial class ObservingTests
{
    [Fact]
    public async Task A_failure_tells_what_was_expected_and_everything_that_happened()
    {
        await using var host = await MessagingTestHost.StartAsync(static services => services.AddMessaging()
            .AddConsumer<BillingConsumer, OrderPlaced>(static options => options with { Retry = RetryPolicy.Parse("1s") })
            .AddConsumer<InvoiceRequested>("invoicing", static (_, _, _) => new(Outcome.DeadLetter("no paper"))));
        await host.PublishAndSettleAsync(new OrderPlaced(7, 0));
        await host.PublishAndSettleAsync(new OrderPlaced(8, 12.5m));

        var failure = Assert.Throws<MessagingTestException>(() => host.Handled<OrderPlaced>(order => order.Id == 7).Once());

        Assert.Equal(
            """
            Expected 1 handled OrderPlaced where order => order.Id == 7, found 0.
            What happened:
              00:00:00.000  published      #1 orders.placed to topic 'orders.placed': Stored, id ID, OrderPlaced { Id = 7, Total = 0 }
              00:00:00.000  retried        #1 orders.placed in 'billing', attempt 1, again in 1 s: InvalidOperationException: no total
              00:00:00.000  time           moves by 1 s
              00:00:01.000  dead-lettered  #1 orders.placed in 'billing', attempt 2, Exhausted: InvalidOperationException: no total
              00:00:01.000  published      #2 orders.placed to topic 'orders.placed': Stored, id ID, OrderPlaced { Id = 8, Total = 12.5 }
              00:00:01.000  handled        #2 orders.placed in 'billing', attempt 1
              00:00:01.000  published      #3 invoices.requested to topic 'invoices.requested': Stored, id ID, InvoiceRequested { OrderId = 8 }, by #2
              00:00:01.000  dead-lettered  #3 invoices.requested in 'invoicing', attempt 1, Rejected: no paper
            """,
            Id().Replace(failure.Message, "id ID"),
            ignoreLineEndingDifferences: true);
    }

    [Fact]
    public async Task Each_expectation_holds_or_fails()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);
        await host.PublishAndSettleAsync(new OrderPlaced(1, 1));

        host.Published<OrderPlaced>().Once();
        host.Handled<OrderPlaced>().Times(2).AtLeast(1).AtLeast(2);
        host.Published<OrderPlaced>(static order => order.Id == 2).Never();
        Fails("Expected 1 handled OrderPlaced, found 2.", () => host.Handled<OrderPlaced>().Once());
        Fails("Expected 3 handled OrderPlaced, found 2.", () => host.Handled<OrderPlaced>().Times(3));
        Fails("Expected at least 3 handled OrderPlaced, found 2.", () => host.Handled<OrderPlaced>().AtLeast(3));
        Fails("Expected 0 published OrderPlaced, found 1.", () => host.Published<OrderPlaced>().Never());
    }

    [Fact]
    public async Task What_was_published_is_seen_with_its_options_after_the_middlewares()
    {
        await using var host = await MessagingTestHost.StartAsync(static services => services.AddMessaging()
            .UsePublish(static next => context =>
            {
                context.Options = context.Options with { Key = "by the middleware" };
                return next(context);
            }));
        var order = new OrderPlaced(1, 1);

        await host.PublishAndSettleAsync(order, new() { Topic = "orders.other", MessageId = "one" });

        var published = host.Published<OrderPlaced>().Once();
        Assert.Same(order, published.Message);
        Assert.Equal(("one", "topic 'orders.other'", "by the middleware"), (published.MessageId, published.Destination.ToString(), published.Options.Key));
    }

    [Fact]
    public async Task What_was_handled_is_what_the_consumer_got()
    {
        await using var host = await MessagingTestHost.StartAsync(static services => services.AddMessaging()
            .AddConsumer<Forgetful>("forgetful", static (_, _, _) => new(Outcome.Ack)));

        await host.PublishAndSettleAsync(new Forgetful { Secret = "not serialized" });

        Assert.Equal("not serialized", host.Published<Forgetful>().Once().Message.Secret);
        Assert.Equal("", host.Handled<Forgetful>().Once().Message.Secret);
    }

    [Fact]
    public async Task What_cannot_be_decoded_is_a_dead_letter_that_fits_no_condition()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);

        await host.SendAndSettleAsync("stock", "not JSON", new() { MessageType = "orders.placed", ContentType = "application/json" });

        var dead = host.DeadLettered<OrderPlaced>().Once();
        Assert.Equal(DeadLetterReason.Malformed, dead.DeadLetter?.Reason);
        Assert.Throws<MalformedMessageException>(() => dead.Message);
        host.DeadLettered<OrderPlaced>(static _ => true).Never();
        Assert.Equal("not JSON", host.DeadLettered<string>().Once().Message);
    }

    [Fact]
    public async Task A_message_that_a_middleware_keeps_from_its_consumer_is_not_handled()
    {
        await using var host = await MessagingTestHost.StartAsync(static services => services.AddMessaging()
            .UseConsume(static _ => static _ => new(Outcome.Ack))
            .AddConsumer<OrderPlaced>("never", static (_, _, _) => new(Outcome.Ack)));

        await host.PublishAndSettleAsync(new OrderPlaced(1, 1));

        host.Handled<OrderPlaced>().Never();
        Assert.Contains("acked", host.Timeline, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_discarded_by_choice_is_told()
    {
        await using var host = await MessagingTestHost.StartAsync(static services => services.AddMessaging()
            .AddConsumer<OrderPlaced>(
                "careless",
                static (order, _, _) => order.Id == 1 ? throw new InvalidOperationException("no") : new(Outcome.Retry(TimeSpan.Zero)),
                static options => options with { Retry = RetryPolicy.None with { OnExhausted = ExhaustedMessage.Discard } }));

        await host.PublishAndSettleAsync(new OrderPlaced(1, 1));
        await host.PublishAndSettleAsync(new OrderPlaced(2, 1));

        host.Discarded<OrderPlaced>().Times(2);
        host.Handled<OrderPlaced>().Never();
    }

    [Fact]
    public async Task A_publish_that_fails_is_in_the_timeline_and_counts_for_nothing()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);

        await Assert.ThrowsAsync<PublishException>(() => host.SendAndSettleAsync("nowhere", new OrderPlaced(1, 1)));

        host.Published<OrderPlaced>().Never();
        Assert.Contains("not published", host.Timeline, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_happened_can_be_forgotten()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);
        await host.PublishAndSettleAsync(new OrderPlaced(1, 1));

        host.Clear();

        host.Published<OrderPlaced>().Never();
        host.Handled<OrderPlaced>().Never();
        Assert.Equal("Nothing happened.", host.Timeline);
    }

    [Fact]
    public async Task The_ledger_of_a_run_is_clean()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => host.PublishAndSettleAsync(new OrderPlaced(i, i % 2))));

        var report = host.Ledger.Check();

        Assert.True(report.IsClean, report.ToString());
        Assert.Equal(75, report.Published);
    }

    private static void Fails(string first, Action expect) =>
        Assert.StartsWith(first + Environment.NewLine, Assert.Throws<MessagingTestException>(expect).Message, StringComparison.Ordinal);

    [GeneratedRegex("id [0-9a-f-]{36}")]
    private static partial Regex Id();

    public sealed record Forgetful
    {
        [System.Text.Json.Serialization.JsonIgnore]
        public string Secret { get; init; } = "";
    }
}
