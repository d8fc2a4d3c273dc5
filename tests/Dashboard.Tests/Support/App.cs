using System.Security.Claims;
using System.Text.Encodings.Web;
using AngleSharp;
using AngleSharp.Dom;
using AngleSharp.Html.Dom;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Postrider.Core.Transport;

namespace Postrider.Dashboard.Tests.Support;

/// <summary>An application with messaging and the page, on a real server, and a browser without scripts that looks at it.</summary>
internal sealed class App : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly IBrowsingContext _browser = BrowsingContext.New(Configuration.Default.WithDefaultLoader().WithDefaultCookies());

    private App(WebApplication app)
    {
        _app = app;
        Address = new(app.Urls.Single());
        Client = new(new HttpClientHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = Address };
    }

    public Uri Address { get; }

    /// <summary>Keeps no cookies and follows no redirects.</summary>
    public HttpClient Client { get; }

    public IDeadLetters Letters => _app.Services.GetRequiredService<IDeadLetters>();

    public IMessageBus Bus => _app.Services.GetRequiredService<IMessageBus>();

    public Logged Logged => _app.Services.GetRequiredService<Logged>();

    public static async Task<App> StartAsync(
        Action<MessagingBuilder> messaging, Action<WebApplication>? map = null, Action<IServiceCollection>? services = null, string environment = "Development")
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { EnvironmentName = environment });
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<Logged>();
        builder.Services.AddSingleton<ILoggerProvider>(static p => p.GetRequiredService<Logged>());
        builder.Services.AddAntiforgery();
        services?.Invoke(builder.Services);
        messaging(builder.Services.AddMessaging());
        var app = builder.Build();
        (map ?? (static app => app.MapDeadLetters()))(app);
        await app.StartAsync();
        await app.Services.GetRequiredService<MessagingStatus>().Ready.WaitAsync(TimeSpan.FromSeconds(60));
        return new(app);
    }

    /// <summary>Opens a page, as a link from elsewhere does.</summary>
    public async Task<IDocument> OpenAsync(string path) => await _browser.OpenAsync(new Uri(Address, path).AbsoluteUri);

    /// <summary>Posts with a token and its cookie, as a form of the page would, whatever the form.</summary>
    public async Task<HttpResponseMessage> PostAsync(string path, HttpContent content)
    {
        using var page = await Client.GetAsync("/dead-letters/letters?queue=orders");
        var token = (await BrowsingContext.New().OpenAsync(async answer => answer.Content(await page.Content.ReadAsStringAsync())))
            .QuerySelector<IHtmlInputElement>("input[name=__RequestVerificationToken]")!.Value;
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
        request.Headers.Add("Cookie", page.Headers.GetValues("Set-Cookie").Single().Split(';')[0]);
        request.Headers.Add("RequestVerificationToken", token);
        return await Client.SendAsync(request);
    }

    public async Task SendRawAsync(string queue, Envelope envelope)
    {
        var results = new PublishResult[1];
        await _app.Services.GetRequiredService<ITransport>()
            .PublishAsync(new[] { new OutgoingMessage(Destination.Queue(queue), envelope) }, results, CancellationToken.None);
        Assert.Equal(PublishStatus.Stored, results[0].Status);
    }

    public Task HasAsync(string queue, int count) => Eventually.IsAsync(async () => await Letters.CountAsync(queue) == count);

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        _browser.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}

/// <summary>What a person does with a page.</summary>
internal static class Pages
{
    public static string Text(this IDocument page) => page.QuerySelector("main")!.TextContent;

    public static async Task<IDocument> FollowAsync(this IDocument page, string linkText) =>
        await page.Links.OfType<IHtmlAnchorElement>().Single(link => link.TextContent == linkText).NavigateAsync();

    /// <summary>Presses a button: by its value if it has one, else by its text.</summary>
    public static async Task<IDocument> PressAsync(this IDocument page, string button)
    {
        var pressed = page.QuerySelectorAll<IHtmlButtonElement>("button").Single(one => !one.IsDisabled && (one.Value.Length > 0 ? one.Value : one.TextContent) == button);
        return await pressed.Form!.SubmitAsync(pressed);
    }

    public static IDocument Fill(this IDocument page, string name, string value)
    {
        switch (page.GetElementsByName(name).Single(static one => one is not IHtmlInputElement { Type: "hidden" }))
        {
            case IHtmlTextAreaElement area:
                area.Value = value;
                break;
            case IHtmlSelectElement select:
                select.Value = value;
                break;
            case IHtmlInputElement input:
                input.Value = value;
                break;
        }

        return page;
    }

    public static IDocument Select(this IDocument page, params string[] ids)
    {
        foreach (var id in ids)
        {
            page.QuerySelectorAll<IHtmlInputElement>("input[name=at]").Single(box => box.GetAttribute("aria-label") == $"Select {id}").IsChecked = true;
        }

        return page;
    }

    public static string[] Ids(this IDocument page) => [.. page.QuerySelectorAll("tbody th a").Select(static link => link.TextContent)];
}

internal static class Eventually
{
    public static async Task IsAsync(Func<Task<bool>> condition)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (!await condition())
        {
            await look.WaitForNextTickAsync(deadline.Token);
        }
    }
}

/// <summary>Signs in whom the header <c>X-User</c> names.</summary>
internal sealed class HeaderAuthentication(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory log, UrlEncoder encoder)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, log, encoder)
{
    protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Task.FromResult(
        Request.Headers["X-User"] is [{ } name]
            ? AuthenticateResult.Success(new(new(new ClaimsIdentity([new(ClaimTypes.Name, name)], "header")), Scheme.Name))
            : AuthenticateResult.NoResult());
}

/// <summary>What was logged.</summary>
internal sealed class Logged : ILoggerProvider
{
    private readonly Lock _gate = new();
    private readonly List<string> _lines = [];

    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_gate)
            {
                return [.. _lines];
            }
        }
    }

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void Dispose()
    {
    }

    private sealed class Logger(Logged all, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (all._gate)
            {
                all._lines.Add($"{category} {logLevel}: {formatter(state, exception)}");
            }
        }
    }
}

[Message("tests.order")]
internal sealed record Order(int Number, string Text = "");
