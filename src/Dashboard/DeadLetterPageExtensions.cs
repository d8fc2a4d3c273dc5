using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Postrider.Dashboard;
using Postrider.Dashboard.DeadLetters;

namespace Postrider;

/// <summary>Dead letters on a web page.</summary>
public static class DeadLetterPageExtensions
{
    /// <summary>
    /// Serves pages on which dead letters are listed, looked at, replayed, edited, moved, discarded, exported and imported. They need no scripts and nothing from
    /// elsewhere.
    /// </summary>
    /// <remarks>
    /// <para>Whoever may see them may read and discard messages. Outside Development each request is refused unless an authorization policy is on what this returns
    /// (<c>.RequireAuthorization("policy")</c>), on a group around it, or is the fallback policy; <c>AllowAnonymous</c> counts as none. In Development, without a
    /// policy, only requests from the same machine are served.</para>
    /// <para>Each change is logged with the user's name.</para>
    /// </remarks>
    /// <param name="endpoints">The application, or a group of endpoints.</param>
    /// <param name="pattern">Where: <c>/dead-letters</c>.</param>
    /// <returns>For <c>RequireAuthorization</c>, <c>RequireHost</c> and other conventions.</returns>
    /// <exception cref="MessagingConfigurationException">Messaging or antiforgery was not added to the services.</exception>
    public static IEndpointConventionBuilder MapDeadLetters(this IEndpointRouteBuilder endpoints, string pattern = "/dead-letters")
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        ArgumentNullException.ThrowIfNull(pattern);
        var services = endpoints.ServiceProvider;
        var letters = services.GetService<IDeadLetters>()
            ?? throw new MessagingConfigurationException("MapDeadLetters needs messaging: call builder.Services.AddMessaging(…).");
        var antiforgery = services.GetService<IAntiforgery>()
            ?? throw new MessagingConfigurationException("MapDeadLetters needs antiforgery, against forms that strangers send: call builder.Services.AddAntiforgery().");
        var log = services.GetRequiredService<ILoggerFactory>().CreateLogger("Postrider.Dashboard");
        var time = services.GetRequiredService<TimeProvider>();
        var runs = new Runs(time, log, services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping);
        var site = new Site(new Guard(services.GetRequiredService<IHostEnvironment>(), log), antiforgery, time, log);

        var group = endpoints.MapGroup(pattern);
        var reading = new ReadingPages(letters, runs);
        group.MapGet("", site.Serve(reading.QueuesAsync));
        group.MapGet("letters", site.Serve(reading.LettersAsync));
        group.MapGet("letter", site.Serve(reading.LetterAsync));
        group.MapGet("body", site.Serve(reading.BodyAsync));
        group.MapGet("export", site.Serve(reading.ExportAsync));
        group.MapGet("run", site.Serve(reading.RunAsync));
        group.MapGet("style.css", site.Serve(Site.StyleAsync));
        var changing = new ChangingPages(letters, runs);
        group.MapPost("letters", site.Serve(changing.ActAsync));
        group.MapPost("edit", site.Serve(changing.EditAsync));
        group.MapPost("import", site.Serve(changing.ImportAsync));
        group.MapPost("stop", site.Serve(changing.StopAsync));
        return group;
    }
}
