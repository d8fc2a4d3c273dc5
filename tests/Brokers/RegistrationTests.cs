using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Transport;

namespace Postrider.Brokers;

/// <summary>How a transport is chosen and configured. Nothing is connected. A transport's tests derive from it and add its options.</summary>
/// <param name="name">The transport's name in the configuration.</param>
/// <param name="section">The name of its section and connection string.</param>
/// <param name="connectionString">One that can be read.</param>
/// <param name="target">The key of what a topic is mapped to.</param>
/// <param name="misspelt">The same with a slip.</param>
public abstract class RegistrationTests<TTransport>(string name, string section, string connectionString, string target, string misspelt)
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

    [Fact]
    public async Task The_configuration_maps_topics_and_the_description_tells()
    {
        await using var provider = Build(
            Use, ($"Messaging:{section}:ConnectionString", connectionString), ($"Messaging:{section}:Topics:orders.placed:{target}", "legacy_orders"),
            ($"Messaging:{section}:Topics:Orders.Gone:{target}", "legacy_gone"));

        var description = provider.GetRequiredService<MessagingDescription>().ToString();

        Assert.Matches("(?m)^  topic orders.placed is mapped to the [a-z]+ 'legacy_orders'", description);
        Assert.Matches("(?m)^  topic Orders.Gone is mapped to the [a-z]+ 'legacy_gone'", description);
    }

    [Fact]
    public async Task A_wrong_key_of_a_mapping_is_named_with_the_nearest_one()
    {
        await using var provider = Build(
            Add, ($"Messaging:{section}:ConnectionString", connectionString), ($"Messaging:{section}:Topics:orders.placed:{misspelt}", "legacy_orders"));
        var e = Assert.Throws<MessagingConfigurationException>(provider.GetRequiredService<MessagingDescription>);
        Assert.Equal($"Messaging:{section}:Topics:orders.placed:{misspelt} is not known. Did you mean '{target}'?", e.Message);
    }

    [Fact]
    public async Task A_mapping_to_nothing_and_one_of_a_pattern_are_refused()
    {
        await using var nothing = Build(Use, ($"Messaging:{section}:ConnectionString", connectionString), ($"Messaging:{section}:Topics:orders.placed", "legacy_orders"));
        var missing = Assert.Throws<MessagingConfigurationException>(nothing.GetRequiredService<ITransport>);
        Assert.Contains($"cannot map the topic 'orders.placed': {target} is", missing.Message, StringComparison.Ordinal);

        await using var pattern = Build(Use, ($"Messaging:{section}:ConnectionString", connectionString), ($"Messaging:{section}:Topics:orders.*:{target}", "legacy_orders"));
        var illegal = Assert.Throws<MessagingConfigurationException>(pattern.GetRequiredService<ITransport>);
        Assert.Contains("'orders.*' is illegal", illegal.Message, StringComparison.Ordinal);
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
