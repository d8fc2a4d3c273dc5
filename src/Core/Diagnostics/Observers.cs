using Microsoft.Extensions.Logging;

namespace Postrider.Core.Diagnostics;

/// <summary>Carries what happens to the host to the observers, beside the work. What happens before the start is told at the start.</summary>
internal sealed class Observers(IReadOnlyList<IMessagingObserver> observers, Telemetry telemetry, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private readonly Feed<IMessagingObserver, MessagingEvent> _feed = new(
        observers, static (observer, happened, stop) => observer.ObserveAsync(happened, stop), telemetry.EventLost,
        (observer, happened, error) =>
        {
            telemetry.ObserverFailed();
            logger.ObserverFailed(error, observer.GetType().Name, happened.GetType().Name);
        },
        time);

    /// <summary>Somebody is told.</summary>
    public bool AreAny => observers.Count > 0;

    public void Start() => _feed.Start();

    public void Add(MessagingEvent happened, string? transport = null)
    {
        if (observers.Count > 0)
        {
            _feed.Add(happened with { At = time.GetUtcNow(), Transport = transport });
        }
    }

    /// <summary>What waits is still told, for a short while.</summary>
    public ValueTask DisposeAsync() => _feed.DisposeAsync();
}
