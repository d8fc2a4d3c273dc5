namespace Postrider;

/// <summary>What became of one published message.</summary>
public enum PublishStatus
{
    /// <summary>The broker has it durably (where the broker and its settings are durable).</summary>
    Stored,

    /// <summary>The broker already had a message of this id; nothing was added.</summary>
    Duplicate,

    /// <summary>The queue does not exist, or no queue is bound to the topic: nothing was stored.</summary>
    Unroutable,

    /// <summary>The broker or the transport refuses this message (too large, an illegal name): trying again is useless.</summary>
    Rejected,

    /// <summary>It was not handed to the broker. Trying again cannot duplicate it.</summary>
    NotSent,

    /// <summary>It was handed over and no confirmation came: it may or may not be stored. Trying again may duplicate it.</summary>
    Unknown,

    /// <summary>It was not published because <see cref="PublishingSwitch"/> says so.</summary>
    Suppressed,
}
