using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats.Tests;

/// <summary>How NATS is chosen and configured. Nothing is connected.</summary>
public sealed class RegistrationTests
{
    [Fact]
    public async Task The_configuration_chooses_and_configures_it()
    {
        await using var provider = Build(
            m => m.AddNats(), ("Messaging:Transport", "nats"), ("Messaging:Nats:ConnectionString", "nats://nowhere"));
        Assert.IsType<NatsTransport>(provider.GetRequiredService<ITransport>());
    }

    [Fact]
    public async Task Code_chooses_and_the_configuration_configures_it()
    {
        await using var provider = Build(m => m.UseNats(), ("Messaging:Transport", "inmemory"), ("ConnectionStrings:Nats", "nats://nowhere"));
        Assert.IsType<NatsTransport>(provider.GetRequiredService<ITransport>());
    }

    [Fact]
    public async Task Without_a_connection_string_the_error_says_where_to_put_it()
    {
        await using var provider = Build(m => m.AddNats(), ("Messaging:Transport", "nats"));
        var e = Assert.Throws<MessagingConfigurationException>(provider.GetRequiredService<ITransport>);
        Assert.Contains("Messaging__Nats__ConnectionString", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Replicas", "many")]
    [InlineData("Replicas", "0")]
    [InlineData("CommandTimeout", "soon")]
    [InlineData("Storage", "paper")]
    [InlineData("Prefix", "a.b")]
    [InlineData("Prefix", "a>")]
    [InlineData("DuplicateWindow", "00:00:00")]
    public async Task An_option_that_makes_no_sense_is_named(string option, string value)
    {
        await using var provider = Build(m => m.UseNats("nats://nowhere"), ($"Messaging:Nats:{option}", value));
        var e = Assert.Throws<MessagingConfigurationException>(provider.GetRequiredService<ITransport>);
        Assert.Contains(option, e.Message, StringComparison.Ordinal);
    }

    private static ServiceProvider Build(Action<MessagingBuilder> register, params (string Key, string Value)[] settings)
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create(setting.Key, (string?)setting.Value))).Build();
        var services = new ServiceCollection();
        register(services.AddMessaging(configuration));
        return services.BuildServiceProvider();
    }
}
