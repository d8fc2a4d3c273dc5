using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;
using Postrider.Core.Serialization;
using Postrider.Core.Tests.Support;
using Postrider.Core.Transport;

namespace Postrider.Core.Tests.Hosting;

/// <summary>A wrong registration is found at start, and says what to change.</summary>
public sealed class RegistrationTests
{
    private static readonly Func<Ping, ConsumeContext, CancellationToken, ValueTask<Outcome>> Ack = (_, _, _) => new(Outcome.Ack);

    [Fact]
    public async Task Two_consumers_of_one_type_on_one_queue_are_refused()
    {
        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(() => TestHost.StartAsync(m => m.AddConsumer("q", Ack).AddConsumer("q", Ack)));
        Assert.Contains("two consumers of 'tests.ping'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Consumers_that_share_a_queue_must_agree_on_it()
    {
        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(() => TestHost.StartAsync(m => m
            .AddConsumer("q", Ack, o => o with { Concurrency = 1 })
            .AddConsumer<Pong>("q", (_, _, _) => new(Outcome.Ack), o => o with { Concurrency = 2 })));
        Assert.Contains("Concurrency", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Priorities_are_part_of_what_they_must_agree_on()
    {
        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(() => TestHost.StartAsync(m => m
            .AddConsumer("q", Ack, o => o with { Priority = new() })
            .AddConsumer<Pong>("q", (_, _, _) => new(Outcome.Ack))));
        Assert.Contains("Priority", e.Message, StringComparison.Ordinal);
    }

    public static TheoryData<Func<ConsumerOptions, ConsumerOptions>, string> WrongOptions => new()
    {
        { o => o with { Concurrency = 0 }, "Concurrency of 0" },
        { o => o with { Lease = TimeSpan.FromMilliseconds(1) }, "Lease" },
        { o => o with { MaxRedeliveries = 0 }, "MaxRedeliveries 0" },
        { o => o with { Retry = RetryPolicy.Immediate with { MaxAttempts = 0 } }, "MaxAttempts 0" },
        { o => o with { Priority = new() { LowerOneIn = 1 } }, "LowerOneIn of 1" },
        { o => o with { Priority = new() { LowerOneIn = -1 } }, "LowerOneIn of -1" },
        { o => o with { Queue = "Not Legal" }, "'Not Legal'" },
        { o => o with { Queue = "orders.dlq" }, ".dlq" },
        { o => o with { Topics = ["a..b"] }, "'a..b'" },
        { o => o with { Topics = ["a.b*"] }, "'a.b*'" },
    };

    [Theory]
    [MemberData(nameof(WrongOptions), DisableDiscoveryEnumeration = true)]
    public async Task Wrong_options_are_named(Func<ConsumerOptions, ConsumerOptions> wrong, string named)
    {
        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(() => TestHost.StartAsync(m => m.AddConsumer("q", Ack, wrong)));
        Assert.Contains(named, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_configured_transport_that_is_not_available_is_named_with_those_that_are()
    {
        var services = new ServiceCollection();
        services.AddMessaging(Configuration("nowhere")).AddTransport("somewhere", _ => new ScriptedTransport());
        await using var provider = services.BuildServiceProvider();

        var e = Assert.Throws<MessagingConfigurationException>(provider.GetRequiredService<ITransport>);

        Assert.Contains("'nowhere'", e.Message, StringComparison.Ordinal);
        Assert.Contains("inmemory, somewhere", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_configuration_chooses_among_the_available_transports()
    {
        var services = new ServiceCollection();
        services.AddMessaging(Configuration("Scripted")).AddTransport("scripted", _ => new ScriptedTransport());
        await using var provider = services.BuildServiceProvider();

        Assert.IsType<ScriptedTransport>(provider.GetRequiredService<ITransport>());
    }

    [Fact]
    public async Task Without_any_choice_messages_stay_in_memory()
    {
        var services = new ServiceCollection();
        services.AddMessaging();
        await using var provider = services.BuildServiceProvider();

        Assert.IsType<InMemoryTransport>(provider.GetRequiredService<ITransport>());
    }

    [Theory]
    [InlineData("OrderPlaced", "order-placed")]
    [InlineData("HTTPCall", "http-call")]
    [InlineData("Pair`2", "pair")]
    [InlineData("Version2Ready", "version2-ready")]
    [InlineData("snake_case", "snake-case")]
    public void Names_are_the_kebab_case_of_types(string type, string name) => Assert.Equal(name, MessageType.KebabCase(type));

    [Fact]
    public async Task A_consumer_class_has_a_queue_of_its_own_named_after_it()
    {
        await using var host = await TestHost.StartAsync(m => m.AddConsumer<LedgerEntryConsumer, Ping>());
        Assert.Equal(["ledger-entry"], host.Status.Queues.Keys);
    }

    private static IConfiguration Configuration(string transport) =>
        new ConfigurationBuilder().AddInMemoryCollection([new("Messaging:Transport", transport)]).Build();

    private sealed class LedgerEntryConsumer : IConsumer<Ping>
    {
        public ValueTask<Outcome> ConsumeAsync(Ping message, ConsumeContext context, CancellationToken cancellationToken) => new(Outcome.Ack);
    }
}
