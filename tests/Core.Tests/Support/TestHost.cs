using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Postrider.Core.Tests.Support;

/// <summary>A started host with messaging; in memory unless the registration chooses otherwise.</summary>
internal sealed class TestHost : IAsyncDisposable
{
    private readonly ServiceProvider _services;
    private IHostedService[] _started = [];

    private TestHost(ServiceProvider services) => _services = services;

    public IServiceProvider Services => _services;

    public IMessageBus Bus => _services.GetRequiredService<IMessageBus>();

    public MessagingStatus Status => _services.GetRequiredService<MessagingStatus>();

    public static TestHost Create(Action<MessagingBuilder> register, Action<IServiceCollection>? services = null)
    {
        var collection = new ServiceCollection();
        services?.Invoke(collection);
        var builder = collection.AddMessaging().UseInMemory();
        register(builder);
        return new(collection.BuildServiceProvider(validateScopes: true));
    }

    public static async Task<TestHost> StartAsync(Action<MessagingBuilder> register, Action<IServiceCollection>? services = null)
    {
        var host = Create(register, services);
        await host.StartAsync();
        await host.Status.Ready.WaitAsync(TimeSpan.FromSeconds(10));
        return host;
    }

    /// <summary>Not started, and the configuration chooses: <c>Messaging:</c> is put before each key.</summary>
    public static TestHost Configured(Action<MessagingBuilder> register, params (string Key, string Value)[] settings)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(settings.Select(static one => KeyValuePair.Create(
            one.Key.StartsWith("ConnectionStrings:", StringComparison.Ordinal) ? one.Key : $"Messaging:{one.Key}", (string?)one.Value))).Build();
        var collection = new ServiceCollection();
        register(collection.AddMessaging(configuration));
        return new(collection.BuildServiceProvider(validateScopes: true));
    }

    public async Task StartAsync()
    {
        _started = [.. _services.GetServices<IHostedService>()];
        foreach (var service in _started)
        {
            await service.StartAsync(CancellationToken.None);
        }
    }

    public async Task StopAsync()
    {
        foreach (var service in _started)
        {
            await service.StopAsync(CancellationToken.None);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _services.DisposeAsync();
    }
}

[Message("tests.ping")]
internal sealed record Ping(int Number, string Text = "");

[Message("tests.pong")]
internal sealed record Pong(int Number);
