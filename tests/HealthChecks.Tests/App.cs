using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace Postrider.HealthChecks.Tests;

/// <summary>An application with messaging and its health, on a real server.</summary>
internal sealed class App : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HttpClient _client;

    private App(WebApplication app) => (_app, _client) = (app, new() { BaseAddress = new(app.Urls.Single()) });

    public IServiceProvider Services => _app.Services;

    public IMessageBus Bus => Services.GetRequiredService<IMessageBus>();

    public MessagingStatus Status => Services.GetRequiredService<MessagingStatus>();

    public static async Task<App> StartAsync(
        Action<MessagingBuilder> messaging, TimeProvider? time = null, Func<IHealthChecksBuilder, IHealthChecksBuilder>? health = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(time ?? TimeProvider.System);
        messaging(builder.Services.AddMessaging());
        (health ?? (static checks => checks.AddMessaging()))(builder.Services.AddHealthChecks());
        var app = builder.Build();
        foreach (var tag in (string[])["live", "ready"])
        {
            app.MapHealthChecks($"/health/{tag}", new() { Predicate = one => one.Tags.Contains(tag), ResponseWriter = WriteAsync });
        }

        await app.StartAsync();
        return new(app);
    }

    /// <summary>Status and description, after the answer's code was checked.</summary>
    public async Task<(string Status, string Text)> GetAsync(string tag)
    {
        using var answer = await _client.GetAsync($"/health/{tag}");
        var lines = (await answer.Content.ReadAsStringAsync()).Split('\n', 2);
        Assert.Equal(lines[0] == "Unhealthy" ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.OK, answer.StatusCode);
        return (lines[0], lines[1]);
    }

    public async Task<HealthReportEntry> CheckAsync(string name = "messaging") =>
        (await Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(one => one.Name == name)).Entries[name];

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        return _app.DisposeAsync();
    }

    private static Task WriteAsync(Microsoft.AspNetCore.Http.HttpContext context, HealthReport report) => Microsoft.AspNetCore.Http.HttpResponseWritingExtensions.WriteAsync(
        context.Response, $"{report.Status}\n{string.Join('\n', report.Entries.Values.Select(static one => one.Description))}");
}

internal sealed record Order(int Number);
