using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Postrider.Core.State;
using Postrider.Persistence.Postgres;

namespace Postrider.Transports.Pgmq.Tests.State;

/// <summary>How the state store is chosen and configured. Nothing is connected.</summary>
public sealed class StateRegistrationTests
{
    private const string Somewhere = "Host=nowhere;Username=app";

    [Theory]
    [InlineData("Messaging:PostgresState:ConnectionString")]
    [InlineData("ConnectionStrings:PostgresState")]
    public async Task The_configuration_says_where_it_is(string key)
    {
        await using var provider = Build(static messaging => messaging.UsePostgresState(), (key, Somewhere));
        Assert.IsType<PostgresStateStore>(StoreOf(provider));
    }

    [Fact]
    public async Task The_configuration_names_a_connection_string()
    {
        await using var provider = Build(static messaging => messaging.UsePostgresState(), ("Messaging:PostgresState:ConnectionName", "db"), ("ConnectionStrings:db", Somewhere));
        Assert.IsType<PostgresStateStore>(StoreOf(provider));
        await using var nowhere = Build(static messaging => messaging.UsePostgresState(), ("Messaging:PostgresState:ConnectionName", "db"));
        Assert.Contains("no ConnectionStrings:db", Assert.Throws<MessagingConfigurationException>(() => StoreOf(nowhere)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Code_says_where_it_is()
    {
        await using var text = Build(static messaging => messaging.UsePostgresState(Somewhere));
        Assert.IsType<PostgresStateStore>(StoreOf(text));
        await using var source = NpgsqlDataSource.Create(Somewhere);
        await using var given = Build(messaging => messaging.UsePostgresState(source), ("ConnectionStrings:PostgresState", Somewhere));
        Assert.IsType<PostgresStateStore>(StoreOf(given));
    }

    [Fact]
    public async Task PGMQ_brings_one()
    {
        await using var provider = Build(static messaging => messaging.UsePgmq(Somewhere));
        Assert.IsType<PostgresStateStore>(StoreOf(provider));
    }

    [Fact]
    public async Task Without_a_connection_string_the_error_says_where_to_put_it()
    {
        await using var provider = Build(static messaging => messaging.UsePostgresState());
        var error = Assert.Throws<MessagingConfigurationException>(() => StoreOf(provider));
        Assert.Contains("Messaging__PostgresState__ConnectionString", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Connections", "many")]
    [InlineData("Connections", "0")]
    [InlineData("CallTimeout", "00:02:00")]
    [InlineData("CallTimeout", "soon")]
    [InlineData("ApplicationName", " ")]
    [InlineData("CreateTabel", "true")]
    public async Task An_option_that_makes_no_sense_is_named(string option, string value)
    {
        await using var provider = Build(static messaging => messaging.UsePostgresState(Somewhere), ($"Messaging:PostgresState:{option}", value));
        Assert.Contains(option, Assert.Throws<MessagingConfigurationException>(() => StoreOf(provider)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_data_source_beside_a_connection_string_or_with_multiplexing_is_refused()
    {
        await using var source = NpgsqlDataSource.Create(Somewhere);
        await using var multiplexing = NpgsqlDataSource.Create($"{Somewhere};Multiplexing=true");
        foreach (var bad in (PostgresStateOptions[])[new() { ConnectionString = Somewhere, DataSource = source }, new() { DataSource = multiplexing }, new()])
        {
            Assert.Throws<MessagingConfigurationException>(() => new PostgresStateStore(bad));
        }
    }

    /// <summary>What the host's features get.</summary>
    private static IStateStore? StoreOf(ServiceProvider provider)
    {
        var host = provider.GetRequiredService(typeof(MessagingBuilder).Assembly.GetType("Postrider.Core.Hosting.HostState", throwOnError: true)!);
        return (IStateStore?)host.GetType().GetProperty("Store")!.GetValue(host);
    }

    private static ServiceProvider Build(Action<MessagingBuilder> register, params (string Key, string Value)[] settings)
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(static one => KeyValuePair.Create(one.Key, (string?)one.Value))).Build();
        var services = new ServiceCollection();
        register(services.AddMessaging(configuration));
        return services.BuildServiceProvider();
    }
}
