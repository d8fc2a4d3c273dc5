namespace Postrider;

/// <summary>Options for a purpose: <c>Messaging:Preset</c>, or <see cref="MessagingBuilder.UsePreset"/>. One's own settings win. None weakens a guarantee.</summary>
public enum MessagingPreset
{
    /// <summary>The defaults of all options: wait for the broker, five attempts.</summary>
    Production,

    /// <summary>At a desk: a broker that is not there is told after 10 s, a publish gives up after 5 s, stopping waits 2 s for handlers.</summary>
    Development,

    /// <summary>As <see cref="Development"/>, and retries come at once.</summary>
    Test,

    /// <summary>64 handlers of a queue at once. For handlers that wait for others; a queue is then less in order.</summary>
    HighThroughput,

    /// <summary>Patience: a publish waits 2 min for the broker, and a failing message is tried 10 times over about an hour.</summary>
    MaximumReliability,
}
