using Postrider.Core.Transport;

namespace Postrider.Testing.Harness;

/// <summary>One delivery, from its hand-out to its settlement.</summary>
internal sealed class Handling : Happening
{
    public Handling(Delivery delivery)
    {
        // The body is the transport's again after the settlement.
        Envelope = delivery.Envelope with { Body = delivery.Envelope.Body.ToArray() };
        (Queue, Redeliveries, Attempt) = (delivery.Queue, delivery.Redeliveries, delivery.Envelope.Attempt);
        (MessageId, MessageType) = (delivery.Envelope.Id, delivery.Envelope.Type);
    }

    public string Queue { get; }

    public int Attempt { get; init; }

    public int Redeliveries { get; }

    /// <summary>The message as the consumer saw it, or else as it was handed out.</summary>
    public Envelope Envelope { get; set; }

    /// <summary>The consumer was reached.</summary>
    public bool Ran { get; set; }

    /// <summary>What the chain returned, if it ran and did not throw.</summary>
    public Outcome? Returned { get; set; }

    public Exception? Exception { get; set; }

    public Settlement? Settlement { get; private set; }

    public SettleStatus? Status { get; private set; }

    public DateTimeOffset EndedAt { get; private set; }

    public bool IsHandled => Has(SettlementKind.Ack) && Ran && Returned?.Kind == OutcomeKind.Ack;

    public bool IsRetried => Has(SettlementKind.Retry);

    public bool IsDeadLettered => Has(SettlementKind.DeadLetter);

    public bool IsDiscarded => Has(SettlementKind.Ack) && Returned?.Kind != OutcomeKind.Ack;

    public override string Kind => Status switch
    {
        null => "in hand",
        SettleStatus.Lost => "lost",
        SettleStatus.Failed => "not settled",
        _ when IsHandled => "handled",
        _ when IsRetried => "retried",
        _ when IsDeadLettered => "dead-lettered",
        _ when IsDiscarded => "discarded",
        _ when Has(SettlementKind.Release) => "handed back",
        _ => "acked", // a middleware did, without the consumer
    };

    public override string Details
    {
        get
        {
            var details = $"in '{Queue}', attempt {Attempt}";
            details += Redeliveries > 0 ? $", redelivery {Redeliveries}" : "";
            details += EndedAt > At ? $", took {Words(EndedAt - At)}" : "";
            details += IsRetried ? $", again in {Words(Settlement!.Value.Delay)}" : "";
            var info = IsDeadLettered ? Settlement!.Value.Info : null;
            details += info is not null ? $", {info.Reason}" : "";
            return Exception is { } exception ? $"{details}: {Words(exception)}"
                : info?.Description is { } why ? $"{details}: {why}"
                : details;
        }
    }

    public void End(in Settlement settlement, SettleStatus status, DateTimeOffset now) => (Settlement, Status, EndedAt) = (settlement, status, now);

    private bool Has(SettlementKind kind) => Status == SettleStatus.Settled && Settlement?.Kind == kind;
}
