using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Postrider.Core.Tests.Support;

namespace Postrider.Core.Tests.Hosting;

public sealed class StoppingTests
{
    [Fact]
    public async Task A_host_that_has_ended_can_be_stopped_again()
    {
        var services = new ServiceCollection().AddMessaging().UseInMemory().Services.BuildServiceProvider();
        var host = services.GetServices<IHostedService>().Single();
        await host.StartAsync(CancellationToken.None);
        await host.StopAsync(CancellationToken.None);
        await services.DisposeAsync();

        await host.StopAsync(CancellationToken.None);
    }

    [Theory]
    [InlineData(30, 20, false)]
    [InlineData(23, 20, true)]
    [InlineData(5, 20, true)]
    public async Task A_host_that_stops_waiting_before_the_drain_is_over_is_warned_of(int shutdown, int drain, bool warned)
    {
        var log = new ListLog();
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders().AddProvider(log);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(shutdown));
        builder.Services.AddMessaging().UseInMemory().Configure(options => options with { DrainTimeout = TimeSpan.FromSeconds(drain) });
        using var host = builder.Build();

        await host.StartAsync();
        await host.StopAsync();

        Assert.Equal(warned, log.Lines.Any(static line => line.Id == 77));
    }
}
