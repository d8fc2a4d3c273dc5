namespace Postrider;

/// <summary>Is told what happens to the messaging host: for pages, alarms, tests. Thread-safe.</summary>
/// <remarks>
/// Called with one event at a time, in the order in which they happened, and beside the work, which does not wait for it: of very many at once the newest are left out
/// and counted (<c>postrider.events.lost</c>). One that throws is counted (<c>postrider.observers.failed</c>) and logged, and the others are called all the same.
/// </remarks>
public interface IMessagingObserver
{
    /// <summary>Is told. The token is cancelled when the host has stopped.</summary>
    ValueTask ObserveAsync(MessagingEvent happened, CancellationToken cancellationToken);
}
