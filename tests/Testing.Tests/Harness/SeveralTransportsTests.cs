using Microsoft.Extensions.DependencyInjection;

namespace Postrider.Testing.Tests.Harness;

/// <summary>An application that uses several brokers has none of them in a test.</summary>
public sealed class SeveralTransportsTests
{
    [Fact]
    public async Task Each_transport_is_in_memory_and_what_goes_over_all_of_them_is_followed()
    {
        await using var host = await MessagingTestHost.StartAsync(static services => services.AddMessaging()
            .UseTransport("first", static _ => throw new InvalidOperationException("made"))
            .AddTransport("second", static _ => throw new InvalidOperationException("made"))
            .AddConsumer<Ordered>("orders", static async (order, context, token) =>
            {
                await context.Services.GetRequiredService<IMessageBus>().SendAsync("bills", new Billed(order.Number), cancellationToken: token);
                return Outcome.Ack;
            })
            .AddConsumer<Billed>("bills", static (_, _, _) => new(Outcome.Ack), static options => options with { Transport = "second" }));

        await host.SendAndSettleAsync("orders", new Ordered(7));

        host.Handled<Billed>(static bill => bill.Number == 7).Once();
        Assert.Equal(["first", "second"], host.Services.GetRequiredService<MessagingStatus>().Transports.Keys.Order(StringComparer.Ordinal));
    }

    [Message("several.ordered")]
    internal sealed record Ordered(int Number);

    [Message("several.billed")]
    internal sealed record Billed(int Number);
}
