using System.Collections.Concurrent;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Postrider.Migration.Tests;

[Message("migration.order")]
internal sealed record Order(int Number);

/// <summary>One process of an application: it publishes orders without a pause, and handles what comes. Only the configuration differs between two of them.</summary>
internal sealed class Shop : IAsyncDisposable
{
    private readonly ServiceProvider _services;
    private readonly IHostedService _host;
    private readonly CancellationTokenSource _stop = new();
    private Task _publishing = Task.CompletedTask;

    private Shop(ServiceProvider services) => (_services, _host) = (services, services.GetServices<IHostedService>().Single());

    public MessagingStatus Status => _services.GetRequiredService<MessagingStatus>();

    public IDeadLetters DeadLetters => _services.GetRequiredService<IDeadLetters>();

    /// <param name="run">What tells this test's queues and topics from others.</param>
    /// <param name="ledger">What all processes of the test write down.</param>
    /// <param name="settings">The keys below <c>Messaging</c> that differ.</param>
    public static async Task<Shop> StartAsync(string run, Ledger ledger, params (string Key, string Value)[] settings)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(
        [
            .. Servers.ConnectionStrings,
            new("Messaging:Transports:rabbit:Type", "RabbitMq"), new("Messaging:Transports:rabbit:ConnectionName", "messages"),
            new("Messaging:Transports:events:Type", "Nats"), // its connection string is called like it
            new("Messaging:Transports:database:Type", "Pgmq"), new("Messaging:Transports:database:ConnectionName", "db"),
            .. settings.Select(static one => KeyValuePair.Create($"Messaging:{one.Key}", (string?)one.Value)),
        ]).Build();
        var services = new ServiceCollection();
        services.AddMessaging(configuration).AddRabbitMq().AddNats().AddPgmq()
            .AddConsumer<Order>(
                $"{run}-orders", ledger.HandleAsync,
                options => options with { Topics = [$"{run}.order"], Retry = RetryPolicy.Fixed(TimeSpan.FromSeconds(1)) });
        var shop = new Shop(services.BuildServiceProvider());
        await shop._host.StartAsync(CancellationToken.None);
        await shop.Status.Ready.WaitAsync(Servers.Deadline);
        shop._publishing = Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => shop.PublishAsync($"{run}.order", ledger))));
        return shop;
    }

    /// <summary>Ends publishing; what is under way is confirmed. Handling goes on.</summary>
    public async Task StopPublishingAsync()
    {
        await _stop.CancelAsync();
        await _publishing;
    }

    public async ValueTask DisposeAsync()
    {
        await StopPublishingAsync();
        await _host.StopAsync(CancellationToken.None);
        await _services.DisposeAsync();
        _stop.Dispose();
    }

    private async Task PublishAsync(string topic, Ledger ledger)
    {
        var bus = _services.GetRequiredService<IMessageBus>();
        while (!_stop.IsCancellationRequested)
        {
            var number = ledger.NextNumber();
            var delay = number % 40 == 0 ? TimeSpan.FromSeconds(2) : TimeSpan.Zero;
            await bus.PublishAsync(new Order(number), new() { Topic = topic, Delay = delay, RequireSubscribers = true });
            ledger.Published.TryAdd(number, 0);
        }
    }
}

/// <summary>What was published and confirmed, and what was handled.</summary>
internal sealed class Ledger
{
    private int _last;

    public ConcurrentDictionary<int, byte> Published { get; } = new();

    /// <summary>How often each was handled to its end.</summary>
    public ConcurrentDictionary<int, int> Handled { get; } = new();

    public ConcurrentDictionary<int, byte> DeadLettered { get; } = new();

    public int NextNumber() => Interlocked.Increment(ref _last);

    /// <summary>Every 50th fails at first, every 500th is a dead letter.</summary>
    public ValueTask<Outcome> HandleAsync(Order order, ConsumeContext context, CancellationToken cancellationToken)
    {
        if (order.Number % 500 == 0)
        {
            DeadLettered.TryAdd(order.Number, 0);
            return new(Outcome.DeadLetter("every 500th"));
        }

        if (order.Number % 50 == 0 && context.Attempt == 1)
        {
            throw new InvalidOperationException("every 50th, at first");
        }

        Handled.AddOrUpdate(order.Number, 1, static (_, before) => before + 1);
        return new(Outcome.Ack);
    }
}
