namespace Postrider.Throughput.Work;

/// <summary>The metadata that every contender writes, and reads again before it calls the handler.</summary>
public readonly record struct Received(string? MessageId, string? Type, string? CorrelationId, string? TraceParent, DateTimeOffset? SentAt)
{
    public bool IsComplete =>
        !string.IsNullOrEmpty(MessageId) && !string.IsNullOrEmpty(Type) && !string.IsNullOrEmpty(CorrelationId)
        && !string.IsNullOrEmpty(TraceParent) && SentAt is not null;
}
