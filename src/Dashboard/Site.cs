using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Postrider.Dashboard.Html;

namespace Postrider.Dashboard;

/// <summary>What all pages have in common: the guard, the antiforgery check of each change, headers, and errors that people can read.</summary>
internal sealed class Site(Guard guard, IAntiforgery antiforgery, TimeProvider time, ILogger log)
{
    private static readonly byte[] Style = ReadStyle();

    public RequestDelegate Serve(Func<Visit, Task> page) => async context =>
    {
        var visit = new Visit(context, antiforgery, time, log);
        try
        {
            Protect(context.Response.Headers);
            if (await guard.WhyNotAsync(context).ConfigureAwait(false) is { } why)
            {
                await visit.TextAsync(StatusCodes.Status403Forbidden, why).ConfigureAwait(false);
                return;
            }

            if (HttpMethods.IsPost(context.Request.Method))
            {
                // First, as one that is too large would be called one without a token.
                await visit.ReadFormAsync().ConfigureAwait(false);
                await antiforgery.ValidateRequestAsync(context).ConfigureAwait(false);
            }

            await page(visit).ConfigureAwait(false);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody waits for an answer.
        }
        catch (Exception e) when (Problem.Of(e) is { } problem)
        {
            log.Failed(Visible.Line($"{problem.Title}: {e.Message}"));
            if (context.Response.HasStarted)
            {
                // A download that breaks off must not look like a whole one.
                context.Abort();
                return;
            }

            await visit.PageAsync(problem.Title, $"""<p role="alert">{problem.Text}</p><p><a href="./">All queues</a></p>""", problem.Status).ConfigureAwait(false);
        }
    };

    public static Task StyleAsync(Visit visit)
    {
        visit.Context.Response.ContentType = "text/css; charset=utf-8";
        return visit.Context.Response.Body.WriteAsync(Style, visit.Aborted).AsTask();
    }

    private static void Protect(IHeaderDictionary headers)
    {
        headers.ContentSecurityPolicy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "same-origin";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers.CacheControl = "no-cache, no-store";
    }

    private static byte[] ReadStyle()
    {
        using var stream = typeof(Site).Assembly.GetManifestResourceStream("style.css")!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
