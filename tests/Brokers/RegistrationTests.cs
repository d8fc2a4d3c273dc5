using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Transport;

namespace Postrider.Brokers;

/// <summary>How a transport is chosen and configured. Nothing is connected. A transport's tests derive from it and add its options.</summary>
/// <param name="name">The transport's name in the configuration.</param>
/// <param name="section">The name of its section and connection string.</param>
/// <param name="connectionString">One that can be read.</param>
public abstract class RegistrationTests<TTransport>(string name, string section, string connectionString)
    where TTransport : ITransport
{
    /// <summary>Makes it available.</summary>
    protected abstract MessagingBuilder Add(MessagingBuilder builder);

    /// <summary>Chooses it; the configuration says the rest.</summary>
    protected abstract MessagingBuilder Use(MessagingBuilder builder);

    [Fact]
    public async Task The_configuration_chooses_and_configures_it()
    {
        await using var provider = Build(Add, ("Messaging:Transport", name), ($"Messaging:{section}:ConnectionString", connectionString));
        Assert.IsType<TTransport>(provider.GetRequiredService<ITransport>());
    }

    [Fact]
    public async Task Code_chooses_and_the_configuration_configures_it()
    {
        await using var provider = Build(Use, ("Messaging:Transport", "inmemory"), ($"ConnectionStrings:{section}", connectionString));
        Assert.IsType<TTransport>(provider.GetRequiredService<ITransport>());
    }

    [Fact]
    public async Task Without_a_connection_string_the_error_says_where_to_put_it()
    {
        await using var provider = Build(Add, ("Messaging:Transport", name));
        var e = Assert.Throws<MessagingConfigurationException>(provider.GetRequiredService<ITransport>);
        Assert.Contains($"Messaging__{section}__ConnectionString", e.Message, StringComparison.Ordinal);
    }

    /// <summary>The body of a theory over the options.</summary>
    protected async Task IsNamedAsync(string option, string value)
    {
        await using var provider = Build(
            Use, ($"Messaging:{section}:ConnectionString", connectionString), ($"Messaging:{section}:{option}", value));
        var e = Assert.Throws<MessagingConfigurationException>(provider.GetRequiredService<ITransport>);
        Assert.Contains(option, e.Message, StringComparison.Ordinal);
    }

    private static ServiceProvider Build(Func<MessagingBuilder, MessagingBuilder> register, params (string Key, string Value)[] settings)
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create(setting.Key, (string?)setting.Value))).Build();
        var services = new ServiceCollection();
        register(services.AddMessaging(configuration));
        return services.BuildServiceProvider();
    }
}
