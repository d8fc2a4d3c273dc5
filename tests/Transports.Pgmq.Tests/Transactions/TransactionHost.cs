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
    private readonly IHost _host;

    private TransactionHost(IHost host, NpgsqlDataSource source) => (_host, Source) = (host, source);

    public NpgsqlDataSource Source { get; }

    public IMessageBus Bus => _host.Services.GetRequiredService<IMessageBus>();

    public static async Task<TransactionHost> StartAsync(
        Database database, Action<MessagingBuilder> register, TimeSpan? drain = null, Func<PgmqOptions, PgmqOptions>? options = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        register(builder.Services.AddMessaging()
            .UsePgmq(o => (options ?? (static same => same))(o with { ConnectionString = database.ConnectionString }))
            .Configure(o => o with { DrainTimeout = drain ?? o.DrainTimeout }));
        var host = builder.Build();
        await host.StartAsync();
        await host.Services.GetRequiredService<MessagingStatus>().Ready.WaitAsync(Database.Deadline);
        return new(host, NpgsqlDataSource.Create(database.ConnectionString));
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
        await Source.DisposeAsync();
    }
}
