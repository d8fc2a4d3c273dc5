using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Serialization;
using Postrider.Testing.Harness;

namespace Postrider.Testing;

/// <content>What happened.</content>
public sealed partial class MessagingTestHost
{
    /// <summary>What the application published or sent. Not what chaos duplicated, nor what the publishing switch suppressed.</summary>
    /// <param name="where">Which messages; null: all of the type.</param>
    /// <param name="condition">The words of <paramref name="where"/>, for failures. Leave it out.</param>
    public Observed<PublishedMessage<TMessage>> Published<TMessage>(
        Func<TMessage, bool>? where = null, [CallerArgumentExpression(nameof(where))] string? condition = null)
        where TMessage : notnull => Observation.Published(_setup.Timeline, where, condition);

    /// <summary>Deliveries that a consumer was given and that were acked. A message with two queues is handled twice.</summary>
    /// <inheritdoc cref="Published"/>
    public Observed<DeliveredMessage<TMessage>> Handled<TMessage>(
        Func<TMessage, bool>? where = null, [CallerArgumentExpression(nameof(where))] string? condition = null)
        where TMessage : notnull => Deliveries("handled", static one => one.IsHandled, where, condition);

    /// <summary>Deliveries after which there is another attempt.</summary>
    /// <inheritdoc cref="Published"/>
    public Observed<DeliveredMessage<TMessage>> Retried<TMessage>(
        Func<TMessage, bool>? where = null, [CallerArgumentExpression(nameof(where))] string? condition = null)
        where TMessage : notnull => Deliveries("retried", static one => one.IsRetried, where, condition);

    /// <summary>Deliveries that became dead letters.</summary>
    /// <inheritdoc cref="Published"/>
    public Observed<DeliveredMessage<TMessage>> DeadLettered<TMessage>(
        Func<TMessage, bool>? where = null, [CallerArgumentExpression(nameof(where))] string? condition = null)
        where TMessage : notnull => Deliveries("dead-lettered", static one => one.IsDeadLettered, where, condition);

    /// <summary>Deliveries that were discarded because the application chose that over a dead letter.</summary>
    /// <inheritdoc cref="Published"/>
    public Observed<DeliveredMessage<TMessage>> Discarded<TMessage>(
        Func<TMessage, bool>? where = null, [CallerArgumentExpression(nameof(where))] string? condition = null)
        where TMessage : notnull => Deliveries("discarded", static one => one.IsDiscarded, where, condition);

    /// <summary>Forgets what happened: for tests that share a host.</summary>
    public void Clear() => _setup.Timeline.Clear();

    private Observed<DeliveredMessage<TMessage>> Deliveries<TMessage>(
        string what, Func<Handling, bool> isIt, Func<TMessage, bool>? where, string? condition)
        where TMessage : notnull =>
        Observation.Delivered(_setup.Timeline, Services.GetRequiredService<Serializers>(), what, isIt, where, condition);
}
