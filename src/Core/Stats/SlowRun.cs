namespace Postrider.Core.Stats;

/// <summary>One run of a handler that was slow.</summary>
/// <param name="Queue">The queue.</param>
/// <param name="Consumer">The consumer.</param>
/// <param name="MessageId">The message's id.</param>
/// <param name="Attempt">Which attempt it was; 1 for the first.</param>
/// <param name="Outcome">What it came to.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="Ended">When it ended.</param>
public sealed record SlowRun(string Queue, string? Consumer, string MessageId, int Attempt, HandlingOutcome Outcome, TimeSpan Duration, DateTimeOffset Ended);
