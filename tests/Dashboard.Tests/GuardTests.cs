using System.Net;
using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Dashboard.Tests.Support;

namespace Postrider.Dashboard.Tests;

/// <summary>Who is served: outside Development nobody without a policy, whatever way there could be around it.</summary>
public sealed class GuardTests
{
    private const string Production = "Production";

    private static readonly string[] Addresses =
        ["/dead-letters", "/dead-letters/letters?queue=orders", "/dead-letters/letter?queue=orders&at=1", "/dead-letters/body?queue=orders&at=1", "/dead-letters/export?queue=orders", "/dead-letters/run", "/dead-letters/style.css"];

    private static readonly string[] Changes = ["/dead-letters/letters", "/dead-letters/edit", "/dead-letters/import", "/dead-letters/stop"];

    [Fact]
    public async Task Outside_Development_nothing_is_served_without_a_policy_and_the_answer_says_what_to_do()
    {
        await using var app = await StartAsync(Production, static app => app.MapDeadLetters());

        foreach (var address in Addresses)
        {
            await AssertRefusedAsync(await app.Client.GetAsync(address), "only with an authorization policy");
        }

        foreach (var change in Changes)
        {
            await AssertRefusedAsync(await app.Client.PostAsync(change, new FormUrlEncodedContent([])), "RequireAuthorization");
        }

        Assert.Single(app.Logged.Lines, static line => line.StartsWith("Postrider.Dashboard Error: The page of dead letters was asked for and refused", StringComparison.Ordinal));
    }

    [Fact]
    public async Task With_a_policy_those_whom_it_allows_are_served_and_all_others_are_told_so()
    {
        await using var app = await StartAsync(Production, static app => app.MapDeadLetters().RequireAuthorization("operators"));

        foreach (var address in Addresses)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await app.Client.GetAsync(address)).StatusCode);
            Assert.Equal(HttpStatusCode.Forbidden, (await GetAsync(app, address, "guest")).StatusCode);
            Assert.NotEqual(HttpStatusCode.Forbidden, (await GetAsync(app, address, "operator")).StatusCode);
        }

        Assert.Equal(HttpStatusCode.OK, (await GetAsync(app, "/dead-letters/", "operator")).StatusCode);
    }

    [Fact]
    public async Task A_policy_of_a_group_around_or_a_policy_itself_counts_too()
    {
        await using var app = await StartAsync(Production, static app =>
        {
            app.MapGroup("/ops").RequireAuthorization("operators").MapDeadLetters();
            app.MapDeadLetters("/other").RequireAuthorization(static policy => policy.RequireUserName("operator"));
        });

        foreach (var address in new[] { "/ops/dead-letters/", "/other/" })
        {
            Assert.Equal(HttpStatusCode.OK, (await GetAsync(app, address, "operator")).StatusCode);
            Assert.Equal(HttpStatusCode.Forbidden, (await GetAsync(app, address, "guest")).StatusCode);
        }
    }

    [Fact]
    public async Task The_fallback_policy_counts_too()
    {
        await using var app = await StartAsync(Production, static app => app.MapDeadLetters(), static options => options.FallbackPolicy = options.GetPolicy("operators"));

        Assert.Equal(HttpStatusCode.OK, (await GetAsync(app, "/dead-letters/", "operator")).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await GetAsync(app, "/dead-letters/", "guest")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await app.Client.GetAsync("/dead-letters/")).StatusCode);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AllowAnonymous_counts_as_none_whatever_else_is_there(bool onGroup)
    {
        await using var app = await StartAsync(
            Production,
            app =>
            {
                if (onGroup)
                {
                    app.MapGroup("").AllowAnonymous().MapDeadLetters().RequireAuthorization("operators");
                }
                else
                {
                    app.MapDeadLetters().RequireAuthorization("operators").AllowAnonymous();
                }
            },
            static options => options.FallbackPolicy = options.GetPolicy("operators"));

        await AssertRefusedAsync(await GetAsync(app, "/dead-letters/", "operator"), "AllowAnonymous");
    }

    [Fact]
    public async Task A_policy_holds_where_nothing_asks_for_it()
    {
        // With a UseRouting of its own the application's authorization runs before the endpoint is known; and the framework's check of that is off.
        await using var app = await StartAsync(
            Production,
            static app =>
            {
                app.UseRouting();
                app.MapDeadLetters().RequireAuthorization("operators");
            },
            services: static services => services.Configure<RouteOptions>(static options => options.SuppressCheckForUnhandledSecurityMetadata = true));

        await AssertRefusedAsync(await GetAsync(app, "/dead-letters/", "guest"), "UseAuthorization");
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(app, "/dead-letters/", "operator")).StatusCode);
    }

    [Fact]
    public async Task In_Development_without_a_policy_the_same_machine_is_served_and_nobody_else()
    {
        await using var app = await StartAsync("Development", static app => app.MapDeadLetters());
        var port = app.Address.Port;

        foreach (var host in new[] { "localhost", $"localhost:{port}", $"127.0.0.1:{port}", "[::1]" })
        {
            Assert.Equal(HttpStatusCode.OK, (await GetAsync(app, "/dead-letters/", null, ("Host", host))).StatusCode);
        }

        // A name that a stranger points to this machine, and a proxy of this machine that serves strangers.
        await AssertRefusedAsync(await GetAsync(app, "/dead-letters/", null, ("Host", "stranger.example")), "to localhost");
        await AssertRefusedAsync(await GetAsync(app, "/dead-letters/", null, ("X-Forwarded-For", "203.0.113.9")), "proxy");
        await AssertRefusedAsync(await GetAsync(app, "/dead-letters/", null, ("Forwarded", "for=203.0.113.9")), "proxy");
    }

    [Theory]
    [InlineData("203.0.113.9")]
    [InlineData(null)]
    public async Task In_Development_another_address_is_refused_and_so_is_none(string? address)
    {
        await using var app = await StartAsync("Development", app =>
        {
            app.Use((context, next) =>
            {
                context.Connection.RemoteIpAddress = address is null ? null : IPAddress.Parse(address);
                return next(context);
            });
            app.MapDeadLetters();
        });

        await AssertRefusedAsync(await app.Client.GetAsync("/dead-letters/"), "loopback");
    }

    [Fact]
    public async Task In_Development_a_policy_counts_as_anywhere()
    {
        await using var app = await StartAsync("Development", static app => app.MapDeadLetters().RequireAuthorization("operators"));

        Assert.Equal(HttpStatusCode.Forbidden, (await GetAsync(app, "/dead-letters/", "guest")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(app, "/dead-letters/", "operator", ("Host", "ops.example"))).StatusCode);
    }

    [Theory]
    [InlineData("/base", "/dead-letters", "/base/dead-letters")]
    [InlineData("", "/", "")]
    [InlineData("/base", "", "/base")]
    public async Task It_works_under_a_base_path_and_at_the_root(string basePath, string pattern, string address)
    {
        await using var app = await StartAsync("Development", app =>
        {
            app.UsePathBase(basePath);
            app.UseRouting();
            app.MapDeadLetters(pattern);
        });

        var page = await app.OpenAsync(address);

        Assert.Equal("Dead letters", page.QuerySelector("h1")?.TextContent);
        Assert.Equal(HttpStatusCode.OK, (await app.Client.GetAsync($"{address}/style.css")).StatusCode);
        page = await (await page.FollowAsync("orders")).FollowAsync("Show all");
        Assert.Equal("Dead letters of orders", page.QuerySelector("h1")?.TextContent);
    }

    [Fact]
    public void What_is_missing_is_named_when_it_is_mapped()
    {
        var builder = WebApplication.CreateSlimBuilder();
        var messaging = Assert.Throws<MessagingConfigurationException>(() => builder.Build().MapDeadLetters());
        builder = WebApplication.CreateSlimBuilder();
        builder.Services.AddMessaging().UseInMemory();
        var antiforgery = Assert.Throws<MessagingConfigurationException>(() => builder.Build().MapDeadLetters());

        Assert.Contains("AddMessaging", messaging.Message, StringComparison.Ordinal);
        Assert.Contains("AddAntiforgery()", antiforgery.Message, StringComparison.Ordinal);
    }

    private static Task<App> StartAsync(
        string environment, Action<WebApplication> map, Action<AuthorizationOptions>? authorization = null, Action<IServiceCollection>? services = null) =>
        App.StartAsync(
            static messaging => messaging.UseInMemory().AddConsumer<Order>("orders", static (_, _, _) => new(Outcome.Ack)),
            map,
            collection =>
            {
                collection.AddAuthentication("header").AddScheme<AuthenticationSchemeOptions, HeaderAuthentication>("header", null);
                collection.AddAuthorization(options =>
                {
                    options.AddPolicy("operators", static policy => policy.RequireClaim(ClaimTypes.Name, "operator"));
                    authorization?.Invoke(options);
                });
                services?.Invoke(collection);
            },
            environment);

    private static async Task<HttpResponseMessage> GetAsync(App app, string address, string? user, (string Name, string Value)? header = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        if (user is not null)
        {
            request.Headers.Add("X-User", user);
        }

        if (header is { } more)
        {
            request.Headers.Add(more.Name, more.Value);
        }

        return await app.Client.SendAsync(request);
    }

    private static async Task AssertRefusedAsync(HttpResponseMessage answer, string why)
    {
        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.Equal("text/plain", answer.Content.Headers.ContentType?.MediaType);
        Assert.Contains(why, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }
}
