using Postrider.Core.Hosting;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.FlowControl;

/// <summary>The configuration says it too, and its words win over the code's.</summary>
public sealed class SettingsTests
{
    [Fact]
    public async Task All_of_it_is_read_from_the_configuration()
    {
        await using var host = TestHost.Configured(
            static m => m.AddConsumer<Ping>("flowing", static (_, _, _) => new(Outcome.Ack), static options => options with
            {
                RateLimit = new() { PerSecond = 7, Burst = 3 },
                CircuitBreaker = new() { Failures = 9 },
            }),
            ("HeartbeatInterval", "00:00:02"), ("ProcessTimeToLive", "00:00:05"),
            ("Queues:flowing:SingleActive", "true"), ("Queues:flowing:ConsumerPriority", "-3"),
            ("Queues:flowing:RateLimit:PerSecond", "0.5"), ("Queues:flowing:RateLimit:Shared", "true"),
            ("Queues:flowing:RateLimitPerKey:PerSecond", "3"), ("Queues:flowing:RateLimitPerKey:Burst", "6"),
            ("Queues:flowing:CircuitBreaker:Pause", "00:01:00"), ("Queues:flowing:CircuitBreaker:FailureRatio", "0.25"));
        var queue = Assert.Single(((TransportSet)host.Services.GetService(typeof(TransportSet))!).Default.Queues);
        var options = (MessagingOptions)host.Services.GetService(typeof(MessagingOptions))!;

        Assert.Equal((TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(5)), (options.HeartbeatInterval, options.ProcessTimeToLive));
        Assert.Equal((true, -3), (queue.SingleActive, queue.ConsumerPriority));
        Assert.Equal(new() { PerSecond = 0.5, Burst = 3, Shared = true }, queue.RateLimit);
        Assert.Equal(new() { PerSecond = 3, Burst = 6 }, queue.RateLimitPerKey);
        Assert.Equal(new() { Failures = 9, FailureRatio = 0.25, Pause = TimeSpan.FromMinutes(1) }, queue.CircuitBreaker);
    }

    [Fact]
    public async Task What_it_does_not_say_is_as_the_code_says()
    {
        await using var host = TestHost.Configured(
            static m => m.AddConsumer<Ping>("flowing", static (_, _, _) => new(Outcome.Ack), static options => options with { RateLimit = new() { PerSecond = 7 } }),
            ("Queues:flowing:Concurrency", "2"));
        var queue = Assert.Single(((TransportSet)host.Services.GetService(typeof(TransportSet))!).Default.Queues);

        Assert.Equal(new() { PerSecond = 7 }, queue.RateLimit);
        Assert.Null(queue.CircuitBreaker);
        Assert.False(queue.SingleActive);
    }

    [Fact]
    public async Task The_description_tells_of_it()
    {
        await using var host = TestHost.Create(static m => m.AddConsumer<Ping>("flowing", static (_, _, _) => new(Outcome.Ack), static options => options with
        {
            SingleActive = true,
            ConsumerPriority = 2,
            RateLimit = new() { PerSecond = 7 },
            RateLimitPerKey = new() { PerSecond = 2, Burst = 4 },
            CircuitBreaker = new(),
        }));
        var description = host.Services.GetService(typeof(MessagingDescription))!.ToString();

        Assert.Contains("a single active consumer, consumer priority 2, 7 a second, 1 at once, 2 a second of each key, 4 at once, circuit breaker after 5 failures", description, StringComparison.Ordinal);
    }
}
