using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.InMemory;

namespace Postrider.Testing.Tests.Harness;

public sealed class ModeTests
{
    [Fact]
    public async Task Captured_messages_are_routed_and_handled_when_that_is_wanted()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register, new() { Mode = MessagingTestMode.Capture });

        await host.PublishAndSettleAsync(new OrderPlaced(1, 1));
        await host.PublishAndSettleAsync(new OrderPlaced(2, 1));
        host.Published<OrderPlaced>().Times(2);
        host.Published<InvoiceRequested>().Never();
        host.Handled<OrderPlaced>().Never();
        host.HandleCaptured();
        await host.SettleAsync();

        host.Handled<OrderPlaced>().Times(4);
        host.Handled<InvoiceRequested>().Times(2);
    }

    [Fact]
    public async Task Nothing_is_captured_in_another_mode()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register);

        Assert.Throws<InvalidOperationException>(host.HandleCaptured);
    }

    [Fact]
    public async Task Disabled_nothing_is_published_and_nothing_fails()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register, new() { Mode = MessagingTestMode.Disabled });

        var receipt = await host.PublishAndSettleAsync(new OrderPlaced(1, 1));

        Assert.Equal(PublishStatus.Suppressed, receipt.Status);
        host.Published<OrderPlaced>().Never();
    }

    [Fact]
    public async Task The_applications_own_transport_is_not_made_unless_it_is_kept()
    {
        static void Register(IServiceCollection services) => services.AddMessaging()
            .UseTransport("broker", static _ => throw new InvalidOperationException("No connections in unit tests."));

        await using (await MessagingTestHost.StartAsync(Register))
        {
            await Assert.ThrowsAsync<InvalidOperationException>(() => MessagingTestHost.StartAsync(Register, new() { KeepTransport = true }));
        }
    }

    [Fact]
    public async Task A_transport_that_is_kept_has_real_time()
    {
        await using var host = await MessagingTestHost.StartAsync(Shop.Register, new() { KeepTransport = true });

        Assert.Throws<InvalidOperationException>(() => host.Time);
        Assert.Same(TimeProvider.System, host.Services.GetRequiredService<TimeProvider>());
        await Assert.ThrowsAsync<MessagingConfigurationException>(
            () => MessagingTestHost.StartAsync(Shop.Register, new() { KeepTransport = true, Time = new() }));
    }

    [Fact]
    public async Task Hosts_share_nothing()
    {
        var shared = new InMemoryBroker();
        await Task.WhenAll(Enumerable.Range(1, 40).Select(i => Task.Run(async () =>
        {
            await using var host = await MessagingTestHost.StartAsync(services =>
            {
                Shop.Register(services);
                services.AddMessaging().UseInMemory(shared);
            });
            await host.Bus.PublishBatchAsync(Enumerable.Range(0, i).Select(static n => new OrderPlaced(n, n % 2)));
            await host.SettleAsync();

            host.Published<OrderPlaced>().Times(i);
            host.Handled<OrderPlaced>().Times(i + (i / 2));
            host.DeadLettered<OrderPlaced>().Times((i + 1) / 2);
            Assert.Equal((i + 1) / 2, await host.DeadLetters.CountAsync("billing"));
            Assert.Equal(TimeSpan.FromSeconds(11), host.Time.GetUtcNow() - host.Time.Start);
        })));
    }

    [Fact]
    public void It_needs_messaging_and_is_added_once()
    {
        var services = new ServiceCollection();
        Assert.Throws<MessagingConfigurationException>(() => services.AddMessagingTestHost());

        Shop.Register(services);
        services.AddMessagingTestHost();

        Assert.Throws<MessagingConfigurationException>(() => services.AddMessagingTestHost());
    }

    [Fact]
    public async Task What_the_registration_gets_wrong_is_told_at_start()
    {
        await Assert.ThrowsAsync<MessagingConfigurationException>(() => MessagingTestHost.StartAsync(static services =>
            services.AddMessaging().Configure(static options => options with { PublishTimeout = TimeSpan.Zero })));
    }
}
