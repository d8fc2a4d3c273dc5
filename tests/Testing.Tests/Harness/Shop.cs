using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;

namespace Postrider.Testing.Tests.Harness;

/// <summary>A small application: an order is billed and stocked, the bill asks for an invoice.</summary>
internal static class Shop
{
    public static void Register(IServiceCollection services) => services.AddMessaging()
        .AddConsumer<BillingConsumer, OrderPlaced>(options => options with { Retry = RetryPolicy.Parse("2 x 1s,10s").Never<NotSupportedException>() })
        .AddConsumer<OrderPlaced>("stock", static (_, _, _) => new(Outcome.Ack))
        .AddConsumer<InvoiceRequested>("invoicing", static (_, _, _) => new(Outcome.Ack));
}

[Message("orders.placed")]
internal sealed record OrderPlaced(int Id, decimal Total);

[Message("invoices.requested")]
internal sealed record InvoiceRequested(int OrderId);

/// <summary>An order without a total fails, one of less than nothing cannot be billed at all, one of a million is refused.</summary>
internal sealed class BillingConsumer(IMessageBus bus) : IConsumer<OrderPlaced>
{
    public async ValueTask<Outcome> ConsumeAsync(OrderPlaced message, ConsumeContext context, CancellationToken cancellationToken)
    {
        if (message.Total == 1_000_000)
        {
            return Outcome.DeadLetter("too much");
        }

        if (message.Total <= 0)
        {
            throw message.Total < 0 ? new NotSupportedException("less than nothing") : new InvalidOperationException("no total");
        }

        await bus.PublishAsync(new InvoiceRequested(message.Id), cancellationToken: cancellationToken);
        return Outcome.Ack;
    }
}

/// <summary>What ran, in order.</summary>
internal sealed class Log : ConcurrentQueue<string>;
