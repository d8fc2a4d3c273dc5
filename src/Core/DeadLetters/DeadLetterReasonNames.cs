namespace Postrider;

/// <summary>The names of <see cref="DeadLetterReason"/> on the wire and in telemetry. They stay.</summary>
public static class DeadLetterReasonNames
{
    /// <summary>The wire name: <c>redelivered-too-often</c>.</summary>
    public static string ToWireName(this DeadLetterReason reason) => reason switch
    {
        DeadLetterReason.Malformed => "malformed",
        DeadLetterReason.UnknownType => "unknown-type",
        DeadLetterReason.NonRetryable => "non-retryable",
        DeadLetterReason.Exhausted => "exhausted",
        DeadLetterReason.Expired => "expired",
        DeadLetterReason.RedeliveredTooOften => "redelivered-too-often",
        _ => "rejected",
    };

    /// <summary>The reason of a wire name, or null if it is none.</summary>
    public static DeadLetterReason? FromWireName(string? name) => name switch
    {
        "rejected" => DeadLetterReason.Rejected,
        "malformed" => DeadLetterReason.Malformed,
        "unknown-type" => DeadLetterReason.UnknownType,
        "non-retryable" => DeadLetterReason.NonRetryable,
        "exhausted" => DeadLetterReason.Exhausted,
        "expired" => DeadLetterReason.Expired,
        "redelivered-too-often" => DeadLetterReason.RedeliveredTooOften,
        _ => null,
    };
}
