using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

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
}
