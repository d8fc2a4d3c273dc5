namespace Postrider.Transports.Nats;

/// <summary>Times to live by the server's clock.</summary>
internal static class StateLife
{
    /// <summary>Whether its time is over, for certain.</summary>
    public static async ValueTask<bool> IsOverAsync(this ServerClock clock, StoredState stored, CancellationToken cancellationToken)
    {
        if (stored.IsDeleted || stored.TimeToLive == Timeout.InfiniteTimeSpan)
        {
            return false;
        }

        await clock.RefreshAsync(cancellationToken).ConfigureAwait(false);
        return clock.Since(stored.StoredAt) >= stored.TimeToLive;
    }
}
