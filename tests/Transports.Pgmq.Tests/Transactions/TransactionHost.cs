using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Postrider.Transports.Pgmq.Tests;

[Message("tests.order")]
internal sealed record Order(int Number, string Text = "");

[Message("tests.paid")]
internal sealed record Paid(int Number);

/// <summary>A host with messaging on the test's database, and a data source of the application's own.</summary>
internal sealed class TransactionHost : IAsyncDisposable
{
    private readonly ServiceProvider _services;

    private TransactionHost(ServiceProvider services, NpgsqlDataSource source) => (_services, Source) = (services, source);

    public NpgsqlDataSource Source { get; }

    public IMessageBus Bus => _services.GetRequiredService<IMessageBus>();

    public static async Task<TransactionHost> StartAsync(
        Database database, Action<MessagingBuilder> register, TimeSpan? drain = null, Func<PgmqOptions, PgmqOptions>? options = null)
    {
        var services = new ServiceCollection();
        var builder = services.AddMessaging()
            .UsePgmq(o => options?.Invoke(o with { ConnectionString = database.ConnectionString }) ?? o with { ConnectionString = database.ConnectionString })
            .Configure(o => o with { DrainTimeout = drain ?? o.DrainTimeout });
        register(builder);
        var host = new TransactionHost(services.BuildServiceProvider(validateScopes: true), NpgsqlDataSource.Create(database.ConnectionString));
        foreach (var service in host._services.GetServices<IHostedService>())
        {
            await service.StartAsync(CancellationToken.None);
        }

        await host._services.GetRequiredService<MessagingStatus>().Ready.WaitAsync(Database.Deadline);
        return host;
    }

    public async Task StopAsync()
    {
        foreach (var service in _services.GetServices<IHostedService>())
        {
            await service.StopAsync(CancellationToken.None);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _services.DisposeAsync();
        await Source.DisposeAsync();
    }
}
