using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;

namespace Postrider.Throughput.Work;

/// <summary>The handler of those who do by hand what a framework does: an async method with an injected scoped service.</summary>
public sealed class HandHandler(Clerk clerk)
{
    public async ValueTask HandleAsync(Order order, Received received) => await clerk.TakeAsync(order, received);
}

/// <summary>What one does by hand around it: JSON, and a scope per message.</summary>
public sealed class HandWork : IAsyncDisposable
{
    private readonly ServiceProvider _services;
    private readonly IServiceScopeFactory _scopes;

    public HandWork(Job job)
    {
        var services = new ServiceCollection();
        job.AddTo(services);
        _services = services.AddScoped<HandHandler>().BuildServiceProvider();
        _scopes = _services.GetRequiredService<IServiceScopeFactory>();
    }

    public static byte[] Serialize(Order order) => JsonSerializer.SerializeToUtf8Bytes(order, Order.Json);

    public async ValueTask HandleAsync(ReadOnlyMemory<byte> body, Received received)
    {
        var order = JsonSerializer.Deserialize<Order>(body.Span, Order.Json)!;
        await using var scope = _scopes.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<HandHandler>().HandleAsync(order, received);
    }

    public ValueTask DisposeAsync() => _services.DisposeAsync();
}
