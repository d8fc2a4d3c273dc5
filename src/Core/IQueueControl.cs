namespace Postrider;

/// <summary>
/// Pauses queues while processes run: nobody takes anything from a paused queue, until it is resumed. Publishing goes on. From dependency injection; thread-safe.
/// </summary>
/// <remarks>
/// It is kept in the state store, so every process knows within a second, and it outlives restarts. Handlers that run go on to their end; what was claimed and not
/// begun goes back into the queue.
/// </remarks>
public interface IQueueControl
{
    /// <summary>Pauses a queue, consumed or not. If it is paused already, only the reason changes.</summary>
    /// <param name="queue">The queue's name. Dead-letter queues are not consumed, so they cannot be paused.</param>
    /// <param name="reason">Why, for people; at most 1,000 characters are kept.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="MessagingConfigurationException">The name is illegal, or the host has no state store.</exception>
    /// <exception cref="StateStoreException">The store could not do it.</exception>
    ValueTask PauseAsync(string queue, string? reason = null, CancellationToken cancellationToken = default);

    /// <summary>Resumes a queue, and closes its circuit breaker if that is open.</summary>
    /// <returns>False if it was neither paused nor its circuit open.</returns>
    /// <exception cref="MessagingConfigurationException">The name is illegal, or the host has no state store.</exception>
    /// <exception cref="StateStoreException">The store could not do it.</exception>
    ValueTask<bool> ResumeAsync(string queue, CancellationToken cancellationToken = default);

    /// <summary>All queues that are paused, of all applications on the store, by name.</summary>
    /// <exception cref="MessagingConfigurationException">The host has no state store.</exception>
    /// <exception cref="StateStoreException">The store could not do it.</exception>
    ValueTask<IReadOnlyList<PausedQueue>> GetPausedAsync(CancellationToken cancellationToken = default);

    /// <summary>All queues whose circuit breakers are not closed, of all applications on the store, by name.</summary>
    /// <exception cref="MessagingConfigurationException">The host has no state store.</exception>
    /// <exception cref="StateStoreException">The store could not do it.</exception>
    ValueTask<IReadOnlyList<OpenCircuit>> GetOpenCircuitsAsync(CancellationToken cancellationToken = default);
}

/// <summary>A paused queue.</summary>
/// <param name="Queue">Its name.</param>
/// <param name="Reason">Why, for people.</param>
/// <param name="By">The process that paused it.</param>
/// <param name="Since">When, by that process's clock.</param>
public sealed record PausedQueue(string Queue, string? Reason, string By, DateTimeOffset Since);

/// <summary>A queue whose circuit breaker (<see cref="CircuitBreakerOptions"/>) is not closed.</summary>
/// <param name="Queue">Its name.</param>
/// <param name="Trips">How often it has opened since the last success.</param>
/// <param name="Reason">The exception that opened it.</param>
/// <param name="Until">The end of the pause, by the clock of the process that opened it.</param>
/// <param name="IsHalfOpen">The pause is over; one process tries.</param>
public sealed record OpenCircuit(string Queue, int Trips, string Reason, DateTimeOffset Until, bool IsHalfOpen);
