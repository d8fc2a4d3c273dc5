using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postrider.WebShop;

namespace Postrider.Testing.Tests.Harness;

/// <summary>A web application under test, whose own broker does not exist.</summary>
public sealed class WebTests
{
    [Fact]
    public async Task A_request_and_all_that_it_causes()
    {
        await using var shop = NewShop();
        using var client = shop.CreateClient();
        var host = shop.Services.GetRequiredService<MessagingTestHost>();

        (await client.PostAsync(new Uri("/orders/7", UriKind.Relative), null)).EnsureSuccessStatusCode();
        await host.AdvanceAsync(TimeSpan.FromMinutes(59));
        Assert.Equal("0", await client.GetStringAsync(new Uri("/stock", UriKind.Relative)));
        await host.SettleAsync();

        Assert.Equal("1", await client.GetStringAsync(new Uri("/stock", UriKind.Relative)));
        Assert.Equal("stock", host.Handled<WebShop.OrderPlaced>(static order => order.Id == 7).Once().Queue);
    }

    [Fact]
    public async Task Applications_side_by_side_share_nothing() => await Task.WhenAll(Enumerable.Range(1, 8).Select(i => Task.Run(async () =>
    {
        await using var shop = NewShop();
        using var client = shop.CreateClient();
        for (var order = 0; order < i; order++)
        {
            (await client.PostAsync(new Uri($"/orders/{order}", UriKind.Relative), null)).EnsureSuccessStatusCode();
        }

        await shop.Services.GetRequiredService<MessagingTestHost>().SettleAsync();

        Assert.Equal($"{i}", await client.GetStringAsync(new Uri("/stock", UriKind.Relative)));
    })));

    private static WebApplicationFactory<Stock> NewShop() => new WebApplicationFactory<Stock>().WithWebHostBuilder(static web => web
        .ConfigureLogging(static logging => logging.ClearProviders())
        .ConfigureTestServices(static services => services.AddMessagingTestHost()));
}
