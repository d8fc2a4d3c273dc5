namespace Postrider.Core.Stats;

/// <summary>What a delivery came to, as it is counted. Each delivery that comes to an outcome has exactly one.</summary>
public enum HandlingOutcome
{
    /// <summary>The consumer was done with it.</summary>
    Acked,

    /// <summary>The consumer asked for another attempt.</summary>
    RetriedByChoice,

    /// <summary>An exception, with attempts left.</summary>
    RetriedByException,

    /// <summary>The consumer chose the dead-letter queue, or asked for another attempt with none left.</summary>
    DeadLetteredByChoice,

    /// <summary>An exception with no attempt left, or of a kind that is not tried again.</summary>
    DeadLetteredByException,

    /// <summary>A dead letter that no consumer got: of an unknown type, unreadable, or handed out too often without an outcome.</summary>
    Undeliverable,

    /// <summary>Its attempts were used up, and the retry policy says to discard it then.</summary>
    Discarded,

    /// <summary>Its time was over: a dead letter or discarded, as the consumer's options say.</summary>
    Expired,

    /// <summary>Its attempts were used up, and the retry policy says to stop the queue then.</summary>
    StoppedQueue,
}
