using System.Net;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Postrider.Dashboard;

/// <summary>
/// Decides at each request whether the pages are served: what the endpoint carries is known for sure only then, whatever order things were mapped and added in.
/// It asks the policy itself, so that it holds even where the authorization middleware is missing or stands in the wrong place.
/// </summary>
internal sealed class Guard(IHostEnvironment environment, ILogger log)
{
    private const string Remedy =
        "Call RequireAuthorization(\"a policy\") on what MapDeadLetters returns, or set a FallbackPolicy, and add authentication and authorization.";

    private int _told;

    /// <summary>Why the request is not served, or null.</summary>
    public async ValueTask<string?> WhyNotAsync(HttpContext context)
    {
        var why = await FindAsync(context).ConfigureAwait(false);
        if (why is not null && Interlocked.Exchange(ref _told, 1) == 0)
        {
            // Once, as anybody can ask.
            log.Refused(why);
        }

        return why;
    }

    private async ValueTask<string?> FindAsync(HttpContext context)
    {
        var metadata = context.GetEndpoint()?.Metadata;
        if (metadata?.GetMetadata<IAllowAnonymous>() is not null)
        {
            return WithoutPolicy(context, "They are marked AllowAnonymous, which switches every policy off. Take that away. ");
        }

        var services = context.RequestServices;
        if (metadata is null
            || services.GetService<IAuthorizationPolicyProvider>() is not { } policies
            || services.GetService<IAuthorizationService>() is not { } authorization)
        {
            return WithoutPolicy(context, "");
        }

        var policy = await AuthorizationPolicy.CombineAsync(
            policies, metadata.GetOrderedMetadata<IAuthorizeData>(), metadata.GetOrderedMetadata<AuthorizationPolicy>()).ConfigureAwait(false);
        if (policy is null)
        {
            return WithoutPolicy(context, "");
        }

        return (await authorization.AuthorizeAsync(context.User, context, policy).ConfigureAwait(false)).Succeeded
            ? null
            : "The authorization policy does not allow it, and no authorization middleware said so before. Call UseAuthentication and UseAuthorization.";
    }

    /// <summary>Without a policy they are served to a developer at his own machine, and to nobody else.</summary>
    private string? WithoutPolicy(HttpContext context, string hint)
    {
        const string what = "The pages of dead letters show messages, and replay and discard them. ";
        if (!environment.IsDevelopment())
        {
            return $"{what}Outside Development they are served only with an authorization policy. {hint}{Remedy}";
        }

        return IsLocal(context)
            ? null
            : $"{what}Without an authorization policy they are served in Development only, and only to the same machine: to localhost, from a loopback address, "
                + $"not through a proxy. {hint}{Remedy}";
    }

    /// <summary>
    /// A development server often listens to the whole network, or stands behind a proxy of the same machine; and the page of a stranger can make a browser ask here
    /// under the stranger's own host name (DNS rebinding). So the address, the name and the absence of a proxy all count.
    /// </summary>
    private static bool IsLocal(HttpContext context)
    {
        var request = context.Request;
        return context.Connection.RemoteIpAddress is { } address && IPAddress.IsLoopback(address)
            && (request.Host.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
                || (IPAddress.TryParse(request.Host.Host, out var host) && IPAddress.IsLoopback(host)))
            && !request.Headers.ContainsKey("X-Forwarded-For")
            && !request.Headers.ContainsKey("Forwarded");
    }
}
