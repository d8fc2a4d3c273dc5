using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Metrics;

namespace Postrider.Storefront;

/// <summary>What others see of a running shop: its metrics, for Prometheus, and its health, for an orchestrator.</summary>
public static class Observability
{
    /// <summary>Where to serve; without it nothing is.</summary>
    public const string Key = "Storefront:Serve";

    /// <exception cref="MessagingConfigurationException">The address is none.</exception>
    public static WebApplication Build(WebApplicationBuilder builder)
    {
        var url = builder.Configuration[Key]!;
        if (!Uri.TryCreate(url, UriKind.Absolute, out var address) || address.Scheme != Uri.UriSchemeHttp)
        {
            throw new MessagingConfigurationException($"There is nothing to serve at '{url}': it has the form http://127.0.0.1:9464.");
        }

        builder.WebHost.UseUrls(url);
        builder.Services.AddOpenTelemetry().WithMetrics(static metrics => metrics.AddMeter(TelemetryOptions.SourceName).AddPrometheusExporter());
        builder.Services.AddHealthChecks().AddMessaging();
        var app = builder.Build();
        app.MapPrometheusScrapingEndpoint();
        app.MapHealthChecks("/health/live", new() { Predicate = static check => check.Tags.Contains("live") });
        app.MapHealthChecks("/health/ready", new() { Predicate = static check => check.Tags.Contains("ready") });
        return app;
    }
}
