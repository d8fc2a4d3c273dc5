namespace Postrider.Testing.Tests.Harness;

/// <summary>What the documentation begins with.</summary>
public sealed class HelloWorldTests
{
    // Begin
    public sealed record OrderPlaced(int Id, decimal Total);

    public sealed class BillingConsumer : IConsumer<OrderPlaced>
    {
        public ValueTask<Outcome> ConsumeAsync(OrderPlaced order, ConsumeContext context, CancellationToken cancellationToken) => new(Outcome.Ack);
    }

    [Fact]
    public async Task An_order_is_billed()
    {
        await using var host = await MessagingTestHost.StartAsync(services => services.AddMessaging().AddConsumer<BillingConsumer, OrderPlaced>());
        await host.PublishAndSettleAsync(new OrderPlaced(7, 12.50m));
        host.Handled<OrderPlaced>(order => order.Id == 7).Once();
    }

    // End
    [Fact]
    public async Task It_has_at_most_twelve_lines_and_is_in_the_documentation()
    {
        var source = await File.ReadAllLinesAsync(Path.Combine(AppContext.BaseDirectory, "Harness", "HelloWorldTests.cs"));
        var code = source.SkipWhile(static line => line != "    // Begin").Skip(1).TakeWhile(static line => line != "    // End").Select(static line => line.Length > 4 ? line[4..] : "");

        Assert.Equal(12, code.Count(static line => line.Length > 0));
        var documentation = await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "testing.md"));
        Assert.Contains(string.Join('\n', code).Trim(), documentation, StringComparison.Ordinal);
    }
}
