using System.Collections.ObjectModel;

namespace Postrider;

/// <summary>
/// The register of processes: every host writes a heartbeat into the state store and is listed for as long as it does
/// (<see cref="MessagingOptions.ProcessTimeToLive"/>). From dependency injection; thread-safe.
/// </summary>
public interface IMessagingProcesses
{
    /// <summary>All live hosts of all applications on the store, this one included when it has started; the oldest first.</summary>
    /// <exception cref="MessagingConfigurationException">The host has no state store.</exception>
    /// <exception cref="StateStoreException">The store could not do it.</exception>
    ValueTask<IReadOnlyList<MessagingProcess>> GetAsync(CancellationToken cancellationToken = default);
}

/// <summary>A live host.</summary>
public sealed record MessagingProcess
{
    /// <summary>Its id. A host that was taken for dead comes back under a new one.</summary>
    public required string Id { get; init; }

    /// <summary>The application's name.</summary>
    public required string Name { get; init; }

    /// <summary>The machine's name.</summary>
    public required string Host { get; init; }

    /// <summary>The process id on that machine.</summary>
    public required int ProcessId { get; init; }

    /// <summary>The application's version, if it has one.</summary>
    public string? Version { get; init; }

    /// <summary>When it started, by its own clock.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>The last heartbeat, by its own clock.</summary>
    public required DateTimeOffset HeartbeatAt { get; init; }

    /// <summary>After how long without a heartbeat it counts as dead (<see cref="MessagingOptions.ProcessTimeToLive"/>).</summary>
    public TimeSpan TimeToLive { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The memory of the process, in bytes.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>The queues that it consumes.</summary>
    public IReadOnlyList<ProcessQueue> Queues { get; init; } = [];

    /// <summary>The worker pools that it runs, by their names, as of the last heartbeat.</summary>
    public IReadOnlyDictionary<string, PoolStatus> Pools { get; init; } = ReadOnlyDictionary<string, PoolStatus>.Empty;
}

/// <summary>A queue that a process consumes.</summary>
/// <param name="Queue">Its name.</param>
/// <param name="State">What the process does with it.</param>
/// <param name="Concurrency">How many handlers may run at once there.</param>
/// <param name="ConsumerPriority">See <see cref="ConsumerOptions.ConsumerPriority"/>.</param>
/// <param name="Busy">How many of its messages were being handled there at the last heartbeat.</param>
/// <param name="Pool">The worker pool that it is in there, if it is in one.</param>
public sealed record ProcessQueue(string Queue, QueueState State, int Concurrency, int ConsumerPriority, long Busy = 0, string? Pool = null);
