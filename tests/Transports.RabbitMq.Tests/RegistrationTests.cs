using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Transport;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>How RabbitMQ is chosen and configured. Nothing is connected.</summary>
public sealed class RegistrationTests
{
    [Fact]
    public async Task The_configuration_chooses_and_configures_it()
    {
        await using var provider = Build(
            m => m.AddRabbitMq(), ("Messaging:Transport", "rabbitmq"), ("Messaging:RabbitMq:ConnectionString", "amqp://app@nowhere"));
        Assert.IsType<RabbitMqTransport>(provider.GetRequiredService<ITransport>());
    }

    [Fact]
    public async Task Code_chooses_and_the_configuration_configures_it()
    {
        await using var provider = Build(m => m.UseRabbitMq(), ("Messaging:Transport", "inmemory"), ("ConnectionStrings:RabbitMq", "amqp://app@nowhere"));
        Assert.IsType<RabbitMqTransport>(provider.GetRequiredService<ITransport>());
    }

    [Fact]
    public async Task Without_a_connection_string_the_error_says_where_to_put_it()
    {
        await using var provider = Build(m => m.AddRabbitMq(), ("Messaging:Transport", "rabbitmq"));
        var e = Assert.Throws<MessagingConfigurationException>(provider.GetRequiredService<ITransport>);
        Assert.Contains("Messaging__RabbitMq__ConnectionString", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("MaxMessageBytes", "many")]
    [InlineData("MaxMessageBytes", "0")]
    [InlineData("CommandTimeout", "soon")]
    public async Task An_option_that_makes_no_sense_is_named(string option, string value)
    {
        await using var provider = Build(m => m.UseRabbitMq("amqp://app@nowhere"), ($"Messaging:RabbitMq:{option}", value));
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
