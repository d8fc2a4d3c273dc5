using System.Globalization;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Postrider.Dashboard.Html;

namespace Postrider.Dashboard;

/// <summary>One request, and the ways to answer it. All addresses are relative, so that they hold behind any proxy and under any prefix.</summary>
internal sealed class Visit(HttpContext context, IAntiforgery antiforgery, TimeProvider time, ILogger log)
{
    public HttpContext Context => context;

    public CancellationToken Aborted => context.RequestAborted;

    public TimeProvider Time => time;

    public ILogger Log => log;

    public IQueryCollection Query => context.Request.Query;

    public IFormCollection Form { get; private set; } = FormCollection.Empty;

    public string User => context.User.Identity?.Name is { Length: > 0 } name ? Visible.Line(Visible.Short(name, 100)) : "somebody who is not signed in";

    public async ValueTask ReadFormAsync()
    {
        if (!context.Request.HasFormContentType)
        {
            throw new BadHttpRequestException("It is no form.", StatusCodes.Status415UnsupportedMediaType);
        }

        Form = await context.Request.ReadFormAsync(Aborted).ConfigureAwait(false);
    }

    /// <summary>Belongs into each form that changes something.</summary>
    public Markup Token()
    {
        var tokens = antiforgery.GetAndStoreTokens(context);
        return $"""<input type="hidden" name="{tokens.FormFieldName:exact}" value="{tokens.RequestToken:exact}">""";
    }

    /// <param name="title">The heading.</param>
    /// <param name="main">What is under it.</param>
    /// <param name="status">The HTTP status.</param>
    /// <param name="refresh">Whether the browser asks again soon.</param>
    public Task PageAsync(string title, Markup main, int status = StatusCodes.Status200OK, bool refresh = false)
    {
        Markup again = refresh ? $"""<meta http-equiv="refresh" content="2">""" : Markup.None;
        Markup page = $"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            {again}<title>{title} – Postrider</title>
            <link rel="stylesheet" href="style.css">
            </head>
            <body>
            <header><nav aria-label="Site"><a href="./">Dead letters</a></nav></header>
            <main>
            <h1>{title}</h1>
            {main}
            </main>
            </body>
            </html>
            """;
        return WriteAsync(status, "text/html; charset=utf-8", page.ToString());
    }

    public Task TextAsync(int status, string text) => WriteAsync(status, "text/plain; charset=utf-8", text + "\n");

    public Task RedirectAsync(string relative)
    {
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.Location = relative;
        return Task.CompletedTask;
    }

    /// <summary>A file to keep, which a browser must not show.</summary>
    public void BeginDownload(string contentType, string fileName)
    {
        context.Response.ContentType = contentType;
        context.Response.Headers.ContentDisposition = $"attachment; filename=\"{fileName}\"";
        context.Response.Headers.ContentSecurityPolicy = "default-src 'none'; sandbox";
    }

    /// <summary>A time in UTC, and how long ago that is.</summary>
    public Markup When(DateTimeOffset? at)
    {
        if (at is not { } known || known == default)
        {
            return $"unknown";
        }

        var text = known.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        return $"""<time datetime="{text}">{text}</time> <small>({Ago(time.GetUtcNow() - known)})</small>""";
    }

    private static string Ago(TimeSpan age)
    {
        var length = age.Duration();
        var text = length switch
        {
            { TotalSeconds: < 60 } => $"{(int)length.TotalSeconds} s",
            { TotalMinutes: < 60 } => $"{(int)length.TotalMinutes} min",
            { TotalHours: < 48 } => $"{(int)length.TotalHours} h",
            _ => $"{(int)length.TotalDays} d",
        };
        return age < TimeSpan.Zero ? $"in {text}" : $"{text} ago";
    }

    private Task WriteAsync(int status, string contentType, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = contentType;
        return context.Response.WriteAsync(text, Aborted);
    }
}
