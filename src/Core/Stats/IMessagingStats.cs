namespace Postrider.Core.Stats;

/// <summary>What was published and handled, how fast, and how long it took. One per host, from dependency injection. Thread-safe.</summary>
public interface IMessagingStats
{
    /// <summary>The numbers of this host as of now. Takes no I/O, and holds nothing up that is published or handled.</summary>
    StatsSnapshot GetOwn();

    /// <summary>
    /// The numbers of all hosts of the application together: this one's as of now, the others' as of at most 10 seconds ago. A host is missing from the moment it
    /// has ended, and one that was killed from at most 30 seconds later on; its counts go with it. Without a state store it is this host's alone.
    /// </summary>
    /// <exception cref="StateStoreException">The state store cannot be asked.</exception>
    ValueTask<StatsSnapshot> GetAllAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// The minutes of a queue that are over and began within a time, of the last 7 days: what all hosts handled together, in order. Minutes in which nobody counted
    /// the queue are missing; what was handled in them is in the next one, if its host still lives.
    /// </summary>
    /// <param name="queue">The queue's name.</param>
    /// <param name="since">When the first of them began, at the earliest.</param>
    /// <param name="until">Before which they began.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="MessagingConfigurationException">The name is illegal, or the host has no state store.</exception>
    /// <exception cref="StateStoreException">The state store cannot be asked.</exception>
    ValueTask<IReadOnlyList<MinuteStats>> GetMinutesAsync(string queue, DateTimeOffset since, DateTimeOffset until, CancellationToken cancellationToken = default);
}
