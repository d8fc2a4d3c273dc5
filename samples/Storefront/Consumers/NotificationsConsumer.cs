using Microsoft.Extensions.Logging;

namespace Postrider.Storefront.Consumers;

/// <summary>Confirms the order to the customer.</summary>
public sealed partial class NotificationsConsumer(ILogger<NotificationsConsumer> logger) : IConsumer<OrderPlaced>
{
    public ValueTask<Outcome> ConsumeAsync(OrderPlaced message, ConsumeContext context, CancellationToken cancellationToken)
    {
        Confirmed(logger, message.Number, message.Customer.Language);
        return ValueTask.FromResult(Outcome.Ack);
    }

    [LoggerMessage(LogLevel.Debug, "Confirmed order {Number} in the language '{Language}'.")]
    private static partial void Confirmed(ILogger logger, int number, string language);
}
