namespace Postrider.Core.Hosting;

/// <summary>What the presets set. Whatever is not named here is the same in all of them.</summary>
internal static class Presets
{
    public static MessagingOptions Host(MessagingPreset preset) => preset switch
    {
        MessagingPreset.Development or MessagingPreset.Test => new()
        {
            FailFastAfter = TimeSpan.FromSeconds(10),
            PublishTimeout = TimeSpan.FromSeconds(5),
            DrainTimeout = TimeSpan.FromSeconds(2),
        },
        MessagingPreset.MaximumReliability => new() { PublishTimeout = TimeSpan.FromMinutes(2) },
        _ => new(),
    };

    public static ConsumerOptions Consumer(MessagingPreset preset) => preset switch
    {
        MessagingPreset.Test => new() { Retry = RetryPolicy.Immediate },
        MessagingPreset.HighThroughput => new() { Concurrency = 64 },
        MessagingPreset.MaximumReliability => new()
        {
            Retry = RetryPolicy.Exponential(TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(15)) with { MaxAttempts = 10 },
        },
        _ => new(),
    };
}
