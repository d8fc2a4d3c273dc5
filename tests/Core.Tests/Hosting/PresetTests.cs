using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Hosting;

/// <summary>A preset sets what it says, and nothing that somebody has set himself.</summary>
public sealed class PresetTests
{
    [Theory]
    [InlineData("Production", "publish timeout 00:00:30, drain timeout 00:00:20, waits", "concurrency 16", "5 attempts")]
    [InlineData("Development", "publish timeout 00:00:05, drain timeout 00:00:02, fails fast after 00:00:10", "concurrency 16", "5 attempts")]
    [InlineData("Test", "publish timeout 00:00:05, drain timeout 00:00:02, fails fast after 00:00:10", "concurrency 16", "5 attempts")]
    [InlineData("HighThroughput", "publish timeout 00:00:30, drain timeout 00:00:20, waits", "concurrency 64", "5 attempts")]
    [InlineData("MaximumReliability", "publish timeout 00:02:00, drain timeout 00:00:20, waits", "concurrency 16", "10 attempts")]
    public async Task What_each_sets(string preset, params string[] expected)
    {
        await using var configured = TestHost.Configured(static m => Add(m), ("Transport", "inmemory"), ("Preset", preset));
        await using var coded = TestHost.Create(m => Add(m.UsePreset(Enum.Parse<MessagingPreset>(preset))));
        foreach (var host in (TestHost[])[configured, coded])
        {
            var description = host.Services.GetRequiredService<MessagingDescription>().ToString();
            Assert.All(expected, one => Assert.Contains(one, description, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Ones_own_settings_win_and_the_configurations_preset_wins_over_the_codes()
    {
        await using var host = TestHost.Configured(
            static m => m.UsePreset(MessagingPreset.MaximumReliability)
                .Configure(static o => o with { DrainTimeout = TimeSpan.FromSeconds(7) })
                .AddConsumer<Ping>("ping", static (_, _, _) => new(Outcome.Ack), static o => o with { Concurrency = 3 }),
            ("Transport", "inmemory"), ("Preset", "HighThroughput"), ("PublishTimeout", "00:00:09"), ("Queues:ping:MaxRedeliveries", "4"));

        var description = host.Services.GetRequiredService<MessagingDescription>().ToString();

        foreach (var expected in (string[])["preset HighThroughput", "publish timeout 00:00:09", "drain timeout 00:00:07", "concurrency 3,", "4 redeliveries", "5 attempts"])
        {
            Assert.Contains(expected, description, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void It_is_chosen_before_consumers_get_its_defaults() =>
        Assert.Throws<MessagingConfigurationException>(() => Add(new ServiceCollection().AddMessaging()).UsePreset(MessagingPreset.Test));

    [Fact]
    public async Task Retries_of_tests_come_at_once()
    {
        var attempts = 0;
        await using var host = await TestHost.StartAsync(m => m.UsePreset(MessagingPreset.Test)
            .AddConsumer<Ping>("ping", (_, _, _) => ++attempts < 5 ? throw new InvalidOperationException("again") : new(Outcome.Ack)));

        await host.Bus.SendAsync("ping", new Ping(1));

        // With the default delays this takes 15 s and more.
        await Eventually.IsAsync(() => Volatile.Read(ref attempts) == 5);
    }

    private static MessagingBuilder Add(MessagingBuilder messaging) => messaging.AddConsumer<Ping>("ping", static (_, _, _) => new(Outcome.Ack));
}
