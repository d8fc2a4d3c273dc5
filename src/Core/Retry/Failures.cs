namespace Postrider.Core.Retry;

/// <summary>The one place where exceptions become outcomes.</summary>
internal static class Failures
{
    /// <summary>What follows when a handler run ended with an exception.</summary>
    public static Outcome ToOutcome(Exception exception, int attempt, RetryPolicy policy)
    {
        if (exception is MalformedMessageException)
        {
            return Outcome.DeadLetterBecause(DeadLetterReason.Malformed, exception.Message, exception);
        }

        policy = policy.PolicyFor(exception);
        if (exception is UnsupportedVersionException or EntityReferenceException || !policy.IsRetryable(exception))
        {
            return Outcome.DeadLetterBecause(DeadLetterReason.NonRetryable, exception.Message, exception);
        }

        return attempt >= policy.MaxAttempts
            ? Exhausted(policy, $"All {attempt} attempts failed; the last: {exception.Message}", exception)
            : Outcome.RetryAfter(policy.DelayAfter(attempt, Random.Shared.NextDouble()), exception);
    }

    /// <summary>A retry that the consumer asked for counts against the same number of attempts.</summary>
    public static Outcome Bounded(Outcome outcome, int attempt, RetryPolicy policy) =>
        outcome.Kind == OutcomeKind.Retry && attempt >= policy.MaxAttempts
            ? Exhausted(policy, $"The consumer asked for another attempt after all {attempt} were used.")
            : outcome;

    private static Outcome Exhausted(RetryPolicy policy, string description, Exception? exception = null) =>
        policy.OnExhausted switch
        {
            ExhaustedMessage.Discard => Outcome.DiscardBecause(DeadLetterReason.Exhausted, description, exception),
            ExhaustedMessage.Stop => Outcome.StopQueue(description, exception),
            _ => Outcome.DeadLetterBecause(DeadLetterReason.Exhausted, description, exception),
        };
}
