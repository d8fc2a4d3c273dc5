namespace Postrider.Testing;

/// <summary>What goes wrong at random. Each share is from 0 (never) to 1 (always).</summary>
public sealed record ChaosOptions
{
    /// <summary>Decides what is struck; null: another one each time. Each failure tells it.</summary>
    public int? Seed { get; init; }

    /// <summary>Publishes that are stored twice, under the same message id.</summary>
    public double Duplicates { get; init; }

    /// <summary>Publishes that are held back for a moment, so that later ones overtake them.</summary>
    public double Reorders { get; init; }

    /// <summary>Publishes that come later than they should.</summary>
    public double Delays { get; init; }

    /// <summary>The most that a publish is delayed.</summary>
    public TimeSpan LongestDelay { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Acks that the broker never hears of: the message was handled, and is handed out again as a redelivery.</summary>
    public double DroppedAcks { get; init; }

    internal void Check()
    {
        foreach (var (name, share) in new[]
        {
            (nameof(Duplicates), Duplicates), (nameof(Reorders), Reorders), (nameof(Delays), Delays), (nameof(DroppedAcks), DroppedAcks),
        })
        {
            if (share is not (>= 0 and <= 1))
            {
                throw new MessagingConfigurationException($"{name} is a share from 0 to 1; it is {share}.");
            }
        }

        if (LongestDelay <= TimeSpan.Zero)
        {
            throw new MessagingConfigurationException($"LongestDelay must be positive; it is {LongestDelay}.");
        }
    }
}
