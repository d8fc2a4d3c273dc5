namespace Postrider.Core.Tests;

public sealed class OutcomeTests
{
    [Fact]
    public void The_default_is_an_ack()
    {
        Assert.Equal(default, Outcome.Ack);
        Assert.Equal(OutcomeKind.Ack, Outcome.Ack.Kind);
    }

    [Fact]
    public void A_retry_has_its_delay()
    {
        var outcome = Outcome.Retry(TimeSpan.FromSeconds(3));

        Assert.Equal((OutcomeKind.Retry, TimeSpan.FromSeconds(3)), (outcome.Kind, outcome.Delay));
        Assert.Null(outcome.Exception);
    }

    [Fact]
    public void A_dead_letter_of_the_consumers_choice_is_rejected()
    {
        var outcome = Outcome.DeadLetter("no such customer");

        Assert.Equal((OutcomeKind.DeadLetter, DeadLetterReason.Rejected), (outcome.Kind, outcome.Reason));
        Assert.Equal("no such customer", outcome.Description);
    }

    [Fact]
    public void Outcomes_of_policies_keep_the_exception()
    {
        var exception = new InvalidOperationException();

        Assert.Same(exception, Outcome.RetryAfter(TimeSpan.Zero, exception).Exception);
        var dead = Outcome.DeadLetterBecause(DeadLetterReason.Exhausted, "five attempts", exception);
        Assert.Equal((OutcomeKind.DeadLetter, DeadLetterReason.Exhausted, "five attempts"), (dead.Kind, dead.Reason, dead.Description));
        Assert.Same(exception, dead.Exception);
    }

    [Fact]
    public void The_numbers_of_the_dead_letter_reasons_stay() =>
        Assert.Equal(
            [
                (0, "Rejected"), (1, "Malformed"), (2, "UnknownType"), (3, "NonRetryable"), (4, "Exhausted"), (5, "Expired"),
                (6, "RedeliveredTooOften"),
            ],
            Array.ConvertAll(Enum.GetValues<DeadLetterReason>(), reason => ((int)reason, reason.ToString())));
}
