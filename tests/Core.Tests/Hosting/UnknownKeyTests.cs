using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Hosting;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Hosting;

/// <summary>What is written below Messaging and means nothing stops the host at start, in every section, and the nearest key is named.</summary>
public sealed class UnknownKeyTests
{
    private static readonly TransportType<int> Fast = new("fast", "Fast", static settings => settings.Value("Speed", 1), static (_, _, _) => new ScriptedTransport());

    [Theory]
    [InlineData("Transprot", "fast", "Messaging:Transprot", "'Transport'")]
    [InlineData("DrainTimout", "00:00:01", "Messaging:DrainTimout", "'DrainTimeout'")]
    [InlineData("Fast:Sped", "1", "Messaging:Fast:Sped", "'Speed'")]
    [InlineData("InMemory:Speed", "1", "Messaging:InMemory:Speed", "Nothing is known")]
    [InlineData("Transports:a:Sped", "1", "Messaging:Transports:a:Sped", "'Speed'")]
    [InlineData("Transports:a:Typ", "fast", "Messaging:Transports:a:Typ", "'Type'")]
    [InlineData("Transports:b:Type", "fats", "Messaging:Transports:b:Type", "'fast'")]
    [InlineData("Queues:ping:Concurency", "1", "Messaging:Queues:ping:Concurency", "'Concurrency'")]
    [InlineData("Queues:ping:Priority:LowerOnIn", "1", "Messaging:Queues:ping:Priority:LowerOnIn", "'LowerOneIn'")]
    [InlineData("Queues:pong:Concurrency", "1", "Messaging:Queues:pong", "'ping'")]
    [InlineData("Topics:a.b:Transprot", "1", "Messaging:Topics:a.b:Transprot", "'Transport'")]
    public async Task It_is_named(string key, string value, string path, string hint)
    {
        await using var host = TestHost.Configured(Register, ("Transports:a:Type", "fast"), ("Transport", "inmemory"), (key, value));

        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(host.StartAsync);

        Assert.Contains(path, e.Message, StringComparison.Ordinal);
        Assert.Contains(hint, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_that_is_known_is_taken()
    {
        await using var host = TestHost.Configured(
            Register, ("Transport", "a"), ("Transports:a:Type", "Fast"), ("Transports:a:Speed", "5"), ("Fast:Speed", "6"), ("Preset", "test"), ("PublishTimeout", "00:00:07"),
            ("FailFastAfter", "00:00:09"), ("Queues:ping:Concurrency", "3"), ("Queues:ping:Retry", "2 x 1s"), ("Queues:ping:HungAfter", "00:20:00"), ("Queues:elsewhere:Transport", "inmemory"));

        await host.StartAsync();

        var options = host.Services.GetRequiredService<MessagingOptions>();
        Assert.Equal((TimeSpan.FromSeconds(7), TimeSpan.FromSeconds(9)), (options.PublishTimeout, options.FailFastAfter));
        var description = host.Services.GetRequiredService<MessagingDescription>().ToString();
        Assert.Contains("queue ping: concurrency 3", description, StringComparison.Ordinal);
        Assert.Contains("3 attempts", description, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("PublishTimeout", "7", "Messaging:PublishTimeout", "00:00:30")] // seven days, to .NET
    [InlineData("MaxBodyBytes", "many", "Messaging:MaxBodyBytes", "Int32")]
    [InlineData("Fast:Speed", "warp", "Messaging:Fast:Speed", "Int32")]
    [InlineData("Preset", "Prod", "Messaging:Preset", "Production")]
    [InlineData("Preset", "1", "Messaging:Preset", "Production")]
    [InlineData("PublishTimeout", "-00:00:01", "PublishTimeout", "positive")]
    public async Task What_cannot_be_read_is_named(string key, string value, string path, string hint)
    {
        var e = await Assert.ThrowsAsync<MessagingConfigurationException>(async () =>
        {
            await using var host = TestHost.Configured(Register, ("Transport", "inmemory"), (key, value));
            await host.StartAsync();
        });

        Assert.Contains(path, e.Message, StringComparison.Ordinal);
        Assert.Contains(hint, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("many", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Connection_strings_are_found_by_name_and_errors_say_where_to_put_them()
    {
        var root = new ConfigurationBuilder().AddInMemoryCollection(
        [
            new("ConnectionStrings:rabbit", "amqp://one"), new("ConnectionStrings:Nats", "nats://two"),
            new("Messaging:Transports:a:ConnectionName", "rabbit"), new("Messaging:Transports:b:ConnectionName", "rabit"),
            new("Messaging:Transports:c:ConnectionName", "rabbit"), new("Messaging:Transports:c:ConnectionString", "amqp://three"),
        ]).Build();

        Assert.Equal("amqp://one", new Settings(root, "Messaging:Transports:a").ConnectionString());
        Assert.Equal("amqp://three", new Settings(root, "Messaging:Transports:c").ConnectionString());
        Assert.Equal("nats://two", new Settings(root, "Messaging:Nats").ConnectionString());
        var misspelt = new Settings(root, "Messaging:Transports:b");
        var e = Assert.Throws<MessagingConfigurationException>(() => misspelt.RequireConnectionString(misspelt.ConnectionString()));
        Assert.Contains("'rabbit'", e.Message, StringComparison.Ordinal);
        e = Assert.Throws<MessagingConfigurationException>(() => new Settings(root, "Messaging:Transports:d").RequireConnectionString(""));
        Assert.Contains("Messaging__Transports__d__ConnectionString", e.Message, StringComparison.Ordinal);
    }

    private static void Register(MessagingBuilder messaging) => messaging.AddTransport(Fast).AddConsumer<Ping>("ping", static (_, _, _) => new(Outcome.Ack));
}
