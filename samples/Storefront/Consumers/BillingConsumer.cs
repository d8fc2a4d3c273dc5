namespace Postrider.Storefront.Consumers;

/// <summary>Charges the customer. The payment gateway fails now and then, so a failed charge is tried again, with a pause.</summary>
public sealed class BillingConsumer : IConsumer<OrderPlaced>
{
    public static readonly RetryPolicy Retry =
        RetryPolicy.Exponential(first: TimeSpan.FromMilliseconds(200), cap: TimeSpan.FromSeconds(2)).Never<CardBlockedException>() with { MaxAttempts = 3 };

    public ValueTask<Outcome> ConsumeAsync(OrderPlaced message, ConsumeContext context, CancellationToken cancellationToken)
    {
        // A real gateway is given the message's id as its idempotency key: deliveries are at least once.
        var amount = message.Lines.Sum(line => line.Quantity * line.UnitPrice);
        Charge(message, amount, context.Attempt);
        return ValueTask.FromResult(Outcome.Ack);
    }

    /// <summary>Stands in for a payment gateway. What fails depends on the order and the attempt only, so every run is alike.</summary>
    private static void Charge(OrderPlaced order, decimal amount, int attempt)
    {
        switch (order.Payment)
        {
            case "tok_blocked":
                throw new CardBlockedException();
            case "tok_silent":
                throw new GatewayException("The customer's bank does not answer.");
        }

        var failures = order.Number % 200 == 0 ? 2 : order.Number % 25 == 0 ? 1 : 0;
        if (attempt <= failures)
        {
            throw new GatewayException($"The payment gateway is busy and took no {amount:N2} {order.Currency}.");
        }
    }
}

/// <summary>Worth another attempt.</summary>
public sealed class GatewayException(string message) : Exception(message);

/// <summary>Not worth another attempt.</summary>
public sealed class CardBlockedException() : Exception("The card is blocked.");
