using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.Core.Consuming;
using Postrider.Core.Decoding;
using Postrider.Core.Diagnostics;
using Postrider.Core.Hosting;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;
using Postrider.Testing.Harness;

namespace Postrider.Testing;

/// <content>One consumer without a queue.</content>
public sealed partial class MessagingTestHost
{
    private readonly Lazy<Dictionary<string, ConsumerQueue>> _queues;

    /// <summary>
    /// Hands one message to a queue's consumer directly, through everything that a delivery goes through: the checks, a scope of its own, the middlewares,
    /// decoding, the consumer, and its retry policy. Nothing is stored, so nothing follows from the outcome.
    /// </summary>
    /// <param name="queue">The consumer's queue.</param>
    /// <param name="message">The message.</param>
    /// <param name="change">Changes what it travels as: <c>e => e with { Attempt = 5 }</c>.</param>
    /// <param name="cancellationToken">Cancels the handler.</param>
    /// <returns>What the delivery came to; for an exception, what the retry policy made of it.</returns>
    /// <exception cref="MessagingConfigurationException">The queue has no consumer.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task<Outcome> HandleAsync<TMessage>(
        string queue, TMessage message, Func<Envelope, Envelope>? change = null, CancellationToken cancellationToken = default)
        where TMessage : notnull
    {
        if (!_queues.Value.TryGetValue(queue, out var consumers))
        {
            throw new MessagingConfigurationException($"The queue '{queue}' has no consumer. Those that have: {string.Join(", ", _queues.Value.Keys)}.");
        }

        if (consumers.Transactions > 0)
        {
            throw new MessagingConfigurationException($"The queue '{queue}' has a transactional consumer, which runs only with a delivery of its broker: send to the queue instead.");
        }

        var logger = Services.GetRequiredService<ILoggerFactory>().CreateLogger("Postrider");
        var telemetry = Services.GetRequiredService<Telemetry>();
        var reports = new ExceptionReports([], telemetry, _setup.Time, logger);
        var handler = new DeliveryHandler(
            consumers, Services.GetRequiredService<TransportSet>().Default.Name, new(Services.GetRequiredService<ITransport>()), Services.GetRequiredService<MessagingOptions>().MaxBodyBytes,
            Services.GetRequiredService<BodyTransforms>(), new Decoders(_setup.Registration.Decoders), Services.GetRequiredService<IServiceScopeFactory>(), telemetry, reports, null, null, _setup.Time, logger);
        using var slot = new InFlight();
        var envelope = TestMessage.Envelope(message, Services.GetRequiredService<Serializers>(), _setup.Time);
        var delivery = new TestDelivery(queue, change?.Invoke(envelope) ?? envelope, redeliveries: 0);
        slot.Fill(delivery);
        var handling = _setup.Tracker.HandedOut(delivery);
        using var cancelling = cancellationToken.UnsafeRegister(static slot => ((InFlight)slot!).Cancel(), slot);
        var settlement = await handler.HandleAsync(slot, null).ConfigureAwait(false) ?? Settlement.Release(delivery);
        _setup.Tracker.Settled(settlement, settlement.Kind, SettleResult.Settled, isLast: true);
        return settlement.Kind switch
        {
            SettlementKind.Ack => Outcome.Ack,
            SettlementKind.Retry when handling.Exception is { } exception => Outcome.RetryAfter(settlement.Delay, exception),
            SettlementKind.Retry => Outcome.Retry(settlement.Delay),
            SettlementKind.DeadLetter => Outcome.DeadLetterBecause(settlement.Info!.Reason, settlement.Info.Description, handling.Exception),
            _ => throw new OperationCanceledException(cancellationToken),
        };
    }
}
